"""Style `answer`: one call a page, a compact JSON reply with picks, stars, a reason, and a mood."""

from __future__ import annotations

from dataclasses import dataclass

from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Opinion, Slate

from .elicit import Elicited, ask_twice
from .fence import fence
from .llm.protocol import LLM, CompletionRequest
from .memory import Memory
from .persona import Persona
from .prompt import Prompter
from .reply import REASON_LIMIT, answer_schema, answer_token_limit, parse_answer


@dataclass(frozen=True, slots=True)
class Answer:
    """Asks for the page as a whole; an opinion's score is 1 for a picked slot, else 0."""

    temperature: float = 0.0
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
        stars, buy = prompter.domain.has_ratings, prompter.domain.has_prices
        request = CompletionRequest(
            messages=prompter.answer(persona, memory, slate, order, visit.catalog),
            schema=answer_schema(k, stars=stars, buy=buy),
            max_tokens=answer_token_limit(k),
            temperature=self.temperature,
        )
        reply, keys = await ask_twice(
            llm, request, visit, lambda said: parse_answer(said, k, stars=stars, buy=buy)
        )
        picks = {order[pick.n - 1]: pick for pick in reply.picks}
        return Elicited(
            opinion=Opinion(
                scores=tuple(float(slot in picks) for slot in range(k)),
                stars=tuple(
                    None
                    if (pick := picks.get(slot)) is None or pick.stars is None
                    else float(pick.stars)
                    for slot in range(k)
                ),
                reason=fence(reply.why, REASON_LIMIT),
            ),
            bought=frozenset(slot for slot, pick in picks.items() if pick.buy),
            satisfaction=(reply.mood - 1) / 4,
            stays=reply.stay,
            completion_keys=keys,
        )
