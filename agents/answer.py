"""Style `answer`: one call a page, a compact JSON reply with picks, stars, a reason, and a mood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from focusgroup.simulator.errors import TurnFailed
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Opinion, Slate

from .elicit import NOBODY, Elicited, ask_twice
from .fence import fence
from .llm.protocol import LLM, CompletionRequest
from .memory import Memory, remember
from .persona import Persona
from .prompt import Prompter
from .reply import REASON_LIMIT, AnswerReply, answer_schema, answer_token_limit, parse_answer


@dataclass(frozen=True, slots=True)
class Answer:
    """Asks for the page as a whole; an opinion's score is 1 for a picked slot, else 0.

    Attributes:
        less_prior: whether to take off the picks made for nobody in particular on the same page
            under the same numbers. It doubles the cost, as hardly two users see one page, and
            appeal and position are what `OpinionWeight` is fitted beside anyway.
    """

    temperature: float = 0.0
    less_prior: bool = False
    needs_logprobs: bool = False

    async def ask(
        self,
        llm: LLM,
        prompter: Prompter,
        persona: Persona,
        memory: Memory,
        slate: Slate,
        visit: Visit,
    ) -> Elicited:
        k = len(slate.item_ids)
        order = visit.noise.permutation(visit.page, k)
        reply, keys = await self._ask(llm, prompter, persona, memory, slate, order, visit)
        picks = {order[pick.n - 1]: pick for pick in reply.picks}
        picked = tuple(float(slot in picks) for slot in range(k))
        prior: tuple[float, ...] = ()
        if self.less_prior:
            try:
                nobody, more = await self._ask(
                    llm, prompter, NOBODY, remember((), ()), slate, order, visit
                )
            except TurnFailed as error:
                tried = (*keys, *error.completion_keys)
                raise TurnFailed(error.cause, error.detail, tried) from error
            keys = (*keys, *more)
            others = {order[pick.n - 1] for pick in nobody.picks}
            prior = tuple(float(slot in others) for slot in range(k))
            picked = tuple(own - anyone for own, anyone in zip(picked, prior, strict=True))
        return Elicited(
            opinion=Opinion(
                scores=picked,
                stars=tuple(
                    None
                    if (pick := picks.get(slot)) is None or pick.stars is None
                    else float(pick.stars)
                    for slot in range(k)
                ),
                reason=fence(reply.why, REASON_LIMIT),
                numbers=tuple(order.index(slot) + 1 for slot in range(k)),
                prior=prior,
            ),
            bought=frozenset(slot for slot, pick in picks.items() if pick.buy),
            satisfaction=(reply.mood - 1) / 4,
            stays=reply.stay,
            completion_keys=keys,
        )

    async def _ask(
        self,
        llm: LLM,
        prompter: Prompter,
        persona: Persona,
        memory: Memory,
        slate: Slate,
        order: Sequence[int],
        visit: Visit,
    ) -> tuple[AnswerReply, tuple[str, ...]]:
        k = len(slate.item_ids)
        stars, buy = prompter.domain.has_ratings, prompter.domain.has_prices
        request = CompletionRequest(
            messages=prompter.answer(persona, memory, slate, order, visit.catalog),
            schema=answer_schema(k, stars=stars, buy=buy),
            max_tokens=answer_token_limit(k),
            temperature=self.temperature,
        )
        return await ask_twice(
            llm, request, visit, lambda said: parse_answer(said, k, stars=stars, buy=buy)
        )
