"""Style `score`: log-odds of yes against no for every item, compared within the page.

One short call an item, one token each; persona and history are a prefix they all share.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from focusgroup.simulator.errors import FailureCause, TurnFailed
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Opinion, Slate

from .elicit import Elicited, ask_twice
from .llm.protocol import LLM, Completion, CompletionRequest
from .memory import Memory
from .persona import Persona
from .prompt import Prompter
from .reply import ReplyError

TOP_LOGPROBS = 20


@dataclass(frozen=True, slots=True)
class Score:
    """Asks item by item; an opinion's score is the log-odds of yes minus their mean on the page."""

    needs_logprobs: bool = True

    async def ask(
        self,
        llm: LLM,
        prompter: Prompter,
        persona: Persona,
        memory: Memory,
        slate: Slate,
        visit: Visit,
    ) -> Elicited:
        yes = prompter.language.words("yes_words")
        no = prompter.language.words("no_words")
        asked = await asyncio.gather(
            *(
                ask_twice(
                    llm,
                    CompletionRequest(
                        messages=prompter.score(persona, memory, slate, slot, visit.catalog),
                        max_tokens=1,
                        top_logprobs=TOP_LOGPROBS,
                    ),
                    visit,
                    lambda completion: log_odds(completion, yes, no),
                )
                for slot in range(len(slate.item_ids))
            ),
            return_exceptions=True,
        )
        odds: list[float] = []
        keys: list[str] = []
        failure: BaseException | None = None
        for one in asked:
            if isinstance(one, BaseException):
                failure = failure or one
                keys += one.completion_keys if isinstance(one, TurnFailed) else ()
            else:
                odds.append(one[0])
                keys += one[1]
        if isinstance(failure, TurnFailed):
            raise TurnFailed(failure.cause, failure.detail, tuple(keys)) from failure
        if failure is not None:
            raise failure
        mean = math.fsum(odds) / len(odds)
        return Elicited(
            opinion=Opinion(tuple(o - mean for o in odds), (None,) * len(odds)),
            completion_keys=tuple(keys),
        )


def log_odds(completion: Completion, yes: Sequence[str], no: Sequence[str]) -> float:
    """Natural log-odds of yes against no among the first token's alternatives.

    A side that is not among the alternatives is taken at the least likely one returned: the true
    value is lower, so the log-odds are a bound, still on the right side.

    Raises:
        ReplyError: no log-probabilities came, or neither word is among the alternatives.
    """
    if not completion.logprobs:
        raise ReplyError(FailureCause.NO_LOGPROBS, "the reply carries no log-probabilities")
    finite = [(token, lp) for token, lp in completion.logprobs if math.isfinite(lp)]
    said_yes = [lp for token, lp in finite if _means(token, yes)]
    said_no = [lp for token, lp in finite if _means(token, no)]
    if not said_yes and not said_no:
        top = ", ".join(repr(token) for token, _ in finite[:5])
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, f"neither yes nor no among {top} ...")
    floor = min(lp for _, lp in finite)
    return _log_sum(said_yes or [floor]) - _log_sum(said_no or [floor])


def _means(token: str, words: Sequence[str]) -> bool:
    return token.strip(" \u0120\u2581\t\n\"'.,").lower() in words


def _log_sum(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(math.fsum(math.exp(v - top) for v in values))
