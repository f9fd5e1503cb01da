"""A language model's stand-in: asks it a few calls, then answers in its manner and counts."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from focusgroup.agents.llm import (
    LLM,
    Budget,
    BudgetedLLM,
    Capabilities,
    Completion,
    CompletionRequest,
    Journal,
    Purse,
    TransportError,
)
from focusgroup.simulator import RunStopped, UserError
from focusgroup.simulator.noise import derive_seed

PROBE_AT_ONCE = 4
PROBE_SECONDS = 30.0
PROBED = 16  # calls of a kind that tell how long prompts and replies are
_LISTED = 512  # prompts of a kind that are kept to be measured

MakeUp = Callable[[CompletionRequest], str]
Logprobs = tuple[tuple[str, float], ...]


class Kind(StrEnum):
    """What a call asks for; prompts and replies of a kind are alike."""

    ANSWER = "answer"
    SCORE = "score"
    WORDS = "words"


def kind_of(request: CompletionRequest) -> Kind:
    """A schema is for an answer, log-probabilities for a score, neither for free text."""
    if request.schema is not None:
        return Kind.ANSWER
    return Kind.SCORE if request.top_logprobs else Kind.WORDS


@dataclass(frozen=True, slots=True)
class Tally:
    """Calls that cost something, and how long their prompts were.

    Attributes:
        longest: characters of the longest prompt. longest_reply: tokens that one may have.
    """

    calls: float = 0
    characters: float = 0
    longest: int = 0
    longest_reply: int = 0

    def with_call(self, characters: int, reply: int) -> Tally:
        return Tally(
            self.calls + 1,
            self.characters + characters,
            max(self.longest, characters),
            max(self.longest_reply, reply),
        )

    def plus(self, more: Tally, factor: float = 1.0) -> Tally:
        return Tally(
            self.calls + factor * more.calls,
            self.characters + factor * more.characters,
            max(self.longest, more.longest),
            max(self.longest_reply, more.longest_reply),
        )


Tallies = dict[Kind, Tally]


class StandIn:
    """Speaks for a model while a run is rehearsed.

    The first calls of the rehearsal go to the model itself; from then on every call gets one of its
    replies to calls of that kind, drawn by the call, failures of the form included. Where the model
    was not asked, replies are made up. What the journal answers, or would have by then, is not
    counted.

    Args:
        answer: a made-up answer to a page. yes_or_no: made-up log-probabilities of a score.
        probe: answers to pages that are asked of the model, at most.
        budget: tokens and money that asking may take.
        journal: one that the run will use: what the model says is kept there.
        clock: seconds from any fixed instant.

    Attributes:
        tallies: calls so far, by kind.
        asked: requests that went to the model, with what it said.
        silence: why the model was not asked, or "".
    """

    def __init__(
        self,
        model: LLM,
        answer: MakeUp,
        yes_or_no: Logprobs,
        *,
        probe: int,
        budget: Budget | None = None,
        journal: Journal | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.model = model
        self.tallies: Tallies = defaultdict(Tally)
        self.prompts: dict[Kind, list[CompletionRequest]] = defaultdict(list)
        self.asked: list[tuple[CompletionRequest, Completion]] = []
        self.silence = "" if probe else "nobody was asked"
        self._answer, self._yes_or_no = answer, yes_or_no
        self._within = BudgetedLLM(model, Purse(budget or Budget()))
        self._left: dict[Kind, int] = {}
        self._probe = probe
        self._journal = journal
        self._clock = clock
        self._until = math.inf
        self._slots = asyncio.Semaphore(PROBE_AT_ONCE)
        self._said: dict[str, Completion] = {}
        self._only: tuple[MakeUp, list[int]] | None = None

    @property
    def fingerprint(self) -> str:
        return self.model.fingerprint

    async def capabilities(self) -> Capabilities:
        """As the model; where it is out of reach, all that can be asked for."""
        if not self.silence:
            try:
                return await self.model.capabilities()
            except (UserError, TransportError, RunStopped) as error:
                self.silence = str(error)
        return Capabilities(json_schema=True, logprobs=True)

    async def open_probe(self) -> None:
        """From now on the model is asked, until its calls or the seconds are used up."""
        await self.capabilities()
        few = min(PROBED, self._probe)
        wanted = {Kind.ANSWER: self._probe, Kind.SCORE: few, Kind.WORDS: few}
        self._left = {} if self.silence else wanted
        self._until = self._clock() + PROBE_SECONDS

    @contextmanager
    def answering(self, answer: MakeUp) -> Iterator[list[int]]:
        """Within the block nobody is asked and nothing is counted: pages are answered like this.

        Gives the characters of each prompt so far.
        """
        self._only = answer, []
        try:
            yield self._only[1]
        finally:
            self._only = None

    async def complete(self, request: CompletionRequest) -> Completion:
        if self._only is not None:
            answer, lengths = self._only
            lengths.append(length(request))
            return self._made_up(request, kind_of(request), answer)
        key = request.key(self.fingerprint)
        known = self._said.get(key)
        if known is None and self._journal is not None:
            known = self._journal.get(key)
        if known is not None:
            return known
        kind = kind_of(request)
        characters = length(request)
        self.tallies[kind] = self.tallies[kind].with_call(characters, request.max_tokens)
        if len(self.prompts[kind]) < _LISTED:
            self.prompts[kind].append(request)
        said = await self._from_model(request, kind)
        if said is not None and self._journal is not None:
            self._journal.put(key, said)
        if said is None:
            said = self._replayed(kind, key) or self._made_up(request, kind, self._answer)
        self._said[key] = said
        return said

    async def aclose(self) -> None:
        await self.model.aclose()

    async def _from_model(self, request: CompletionRequest, kind: Kind) -> Completion | None:
        left = self._left.get(kind, 0)
        if left <= 0 or self._clock() > self._until:
            return None
        self._left[kind] = left - 1
        async with self._slots:
            if self._clock() > self._until:
                return None
            try:
                said = await self._within.complete(request)
            except (UserError, TransportError, RunStopped) as error:
                self._left = {}
                if not (isinstance(error, RunStopped) and self.asked):  # else it has said enough
                    self.silence = self.silence or str(error)
                return None
        self.asked.append((request, said))
        return said

    def _replayed(self, kind: Kind, key: str) -> Completion | None:
        alike = [said for asked, said in self.asked if kind_of(asked) is kind]
        return alike[derive_seed(0, "rehearsal", key) % len(alike)] if alike else None

    def _made_up(self, request: CompletionRequest, kind: Kind, answer: MakeUp) -> Completion:
        match kind:
            case Kind.ANSWER:
                return Completion(answer(request))
            case Kind.SCORE:
                return Completion(self._yes_or_no[0][0], logprobs=self._yes_or_no)
            case Kind.WORDS:
                return Completion("Much as I had hoped, and I would say so to a friend.")


def length(request: CompletionRequest) -> int:
    """Characters of a prompt."""
    return sum(len(message.content) for message in request.messages)


def rate_between(before: Tallies, after: Tallies) -> Tallies:
    """What came in between."""
    return {kind: tally.plus(before.get(kind, Tally()), -1.0) for kind, tally in after.items()}


def sum_of(tallies: Sequence[Tally]) -> Tally:
    total = Tally()
    for one in tallies:
        total = total.plus(one)
    return total
