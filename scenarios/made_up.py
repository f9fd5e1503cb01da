"""Made-up answers for a rehearsal, where a model was not or could not be asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from focusgroup.agents.llm import CompletionRequest
from focusgroup.agents.reply import AnswerReply, Pick, most_picks, write_answer
from focusgroup.simulator.noise import derive_seed

from .scenario import Scenario

_PICKED = 0.2  # of the items of a page


def usual_answers(scenario: Scenario) -> Callable[[CompletionRequest], str]:
    """Answers of users who pick a fifth and leave as the scenario assumes of middling pages."""
    assumed = scenario.assumed
    leaving = assumed.leave + 0.5 * assumed.leave_dissatisfaction + 0.25 * assumed.leave_fatigue
    stays = 1 / (1 + math.exp(leaving))

    def answer(request: CompletionRequest) -> str:
        text = "".join(message.content for message in request.messages)
        draw = derive_seed(0, "made up", text, request.attempt)
        k = scenario.page.k
        count = max(1, min(most_picks(k), round(k * _PICKED)))
        stays_on = derive_seed(0, "stays", text) % 10_000 < stays * 10_000
        return written(request, [(draw + n) % k + 1 for n in range(count)], stays=stays_on)

    return answer


def written(request: CompletionRequest, picks: Sequence[int], *, stays: bool) -> str:
    """A made-up answer as it was asked for."""
    properties = (request.schema or {}).get("properties", {})
    stars, buy = "stars" in properties, "buy" in properties
    picked = tuple(Pick(n, 4 if stars else None) for n in picks)
    return write_answer(AnswerReply(picked, "it suits me", 3, stays), stars=stars, buy=buy)
