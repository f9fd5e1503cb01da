"""A user driven by a language model: persona + memory + page -> opinion -> actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from focusgroup.simulator.errors import TurnFailed
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import (
    Action,
    Leave,
    Purchase,
    Rate,
    Response,
    Slate,
    Turn,
)

from .decide import Decision
from .elicit import Elicitation
from .llm.protocol import LLM
from .memory import Memory, remember
from .persona import Persona
from .prompt import Prompter
from .review import hold_interview, write_review


@dataclass(frozen=True, slots=True)
class Voice:
    """How much a user says beyond the page.

    Attributes:
        review_rate: probability in [0, 1] that an item bought or rated is reviewed.
        interview: whether a user who leaves is interviewed.
    """

    review_rate: float = 0.0
    interview: bool = False


@dataclass(frozen=True, slots=True)
class LLMUser:
    """All users of an audience that speak through one language model (a `UserAgent`).

    Attributes:
        persona: user id -> persona; asked at every page, so it should be cheap.
        elicitation: the style of asking.
        decision: the model's own word, or a calibrated behaviour model.
    """

    llm: LLM
    persona: Callable[[str], Persona]
    prompter: Prompter
    elicitation: Elicitation
    decision: Decision
    voice: Voice = Voice()

    async def respond(self, slate: Slate, visit: Visit) -> Response:
        """The user's answer, with reviews and the exit interview before the last action.

        Raises:
            TurnFailed: the model gave no usable answer, review or remark.
        """
        persona = self.persona(visit.user_id)
        memory = remember(visit.past, visit.turns)
        said = await self.elicitation.ask(self.llm, self.prompter, persona, memory, slate, visit)
        response = self.decision.decide(slate, visit, memory, said)
        reviewed = self._reviewed(response, memory, visit)
        *deeds, last = response.actions
        words: list[Action] = []
        keys = list(response.completion_keys)
        try:
            for item_id, stars in reviewed:
                review, more = await write_review(
                    self.llm, self.prompter, persona, visit.catalog[item_id], stars, visit
                )
                words.append(review)
                keys += more
            if isinstance(last, Leave) and self.voice.interview:
                whole = remember(visit.past, (*visit.turns, Turn(visit.page, slate, response)))
                remark, more = await hold_interview(
                    self.llm, self.prompter, persona, whole, last.reason, visit
                )
                words.append(remark)
                keys += more
        except TurnFailed as error:
            tried = (*keys, *error.completion_keys)
            raise TurnFailed(error.cause, error.detail, tried) from error
        return replace(response, actions=(*deeds, *words, last), completion_keys=tuple(keys))

    def _reviewed(
        self, response: Response, memory: Memory, visit: Visit
    ) -> list[tuple[str, float | None]]:
        """Items to review, with the stars given: drawn among those bought or rated."""
        stars = {a.item_id: a.stars for a in response.actions if isinstance(a, Rate)}
        had = [a.item_id for a in response.actions if isinstance(a, Rate | Purchase)]
        ids = list(dict.fromkeys(had))
        if not ids or self.voice.review_rate <= 0:
            return []
        draws = visit.noise.items(ids, "review", [memory.shown[i] for i in ids])
        return [
            (i, stars.get(i))
            for i, draw in zip(ids, draws, strict=True)
            if draw < self.voice.review_rate
        ]
