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

from .elicit import NOBODY, Elicited, ask_twice
from .llm.protocol import LLM, Completion, CompletionRequest
from .memory import Memory, remember
from .persona import Persona
from .prompt import Prompter
from .reply import ReplyError

TOP_LOGPROBS = 20
MASKED = -9999.0  # what vLLM writes for a token that a grammar forbids
REST_FLOOR = 1e-6  # of the probability that the alternatives leave over: below it is rounding


@dataclass(frozen=True, slots=True)
class Score:
    """Asks item by item; an opinion's score is the log-odds of yes minus their mean on the page.

    Attributes:
        less_prior: whether to take off what the model says of each item when it speaks for nobody
            in particular (contextual calibration, Zhao et al. 2021): what remains is what the
            persona changes, and an item's general appeal is left to the statistics. One more call
            an item, the same for all users, so that a journal pays for it once.
    """

    less_prior: bool = False
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
        k = len(slate.item_ids)
        speakers = [(persona, memory)]
        if self.less_prior:
            speakers.append((NOBODY, remember((), ())))
        asked = await asyncio.gather(
            *(
                ask_twice(
                    llm,
                    CompletionRequest(
                        messages=prompter.score(who, knows, slate, slot, visit.catalog),
                        max_tokens=1,
                        top_logprobs=TOP_LOGPROBS,
                    ),
                    visit,
                    lambda completion: log_odds(completion, yes, no),
                )
                for who, knows in speakers
                for slot in range(k)
            ),
            return_exceptions=True,
        )
        odds: list[float] = []
        keys: list[str] = []
        failure: TurnFailed | None = None
        for one in asked:
            if isinstance(one, TurnFailed):
                failure = failure or one
                keys += one.completion_keys
            elif isinstance(one, BaseException):
                raise one  # the run stops, or a bug: nothing to record of this page
            else:
                odds.append(one[0])
                keys += one[1]
        if failure is not None:
            raise TurnFailed(failure.cause, failure.detail, tuple(keys)) from failure
        scores, prior = _around_mean(odds[:k]), _around_mean(odds[k:])
        if prior:
            scores = tuple(own - anyone for own, anyone in zip(scores, prior, strict=True))
        return Elicited(
            opinion=Opinion(scores, (None,) * k, prior=prior), completion_keys=tuple(keys)
        )


def _around_mean(odds: Sequence[float]) -> tuple[float, ...]:
    mean = math.fsum(odds) / max(1, len(odds))
    return tuple(one - mean for one in odds)


def log_odds(completion: Completion, yes: Sequence[str], no: Sequence[str]) -> float:
    """Natural log-odds of yes against no among the first token's alternatives.

    A side that is not among the alternatives can be no likelier than the least likely of them, nor
    than the probability they leave over: it is taken at that bound, so the log-odds are one too.

    Raises:
        ReplyError: no log-probabilities came, or neither word is among the alternatives.
    """
    if not completion.logprobs:
        raise ReplyError(FailureCause.NO_LOGPROBS, "the reply carries no log-probabilities")
    possible = [(token, lp) for token, lp in completion.logprobs if MASKED < lp < math.inf]
    said_yes = [lp for token, lp in possible if _means(token, yes)]
    said_no = [lp for token, lp in possible if _means(token, no)]
    if not said_yes and not said_no:
        top = ", ".join(repr(token) for token, _ in possible[:5]) or "the alternatives"
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, f"neither yes nor no among {top}")
    rest = max(1 - math.fsum(math.exp(lp) for _, lp in possible), REST_FLOOR)
    bound = min(math.log(rest), *(lp for _, lp in possible))
    return _log_sum(said_yes or [bound]) - _log_sum(said_no or [bound])


def _means(token: str, words: Sequence[str]) -> bool:
    return token.strip(" \u0120\u2581\t\n\"'.,").lower() in words


def _log_sum(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(math.fsum(math.exp(v - top) for v in values))
