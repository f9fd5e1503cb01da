"""What a run would take: it is rehearsed with a stand-in for each language model, and counted."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

from focusgroup.agents import load_language
from focusgroup.agents.llm import (
    LLM,
    Budget,
    CompletionRequest,
    Journal,
    JournalMode,
    Line,
    TokenCounter,
    usual_concurrency,
)
from focusgroup.agents.reply import most_picks
from focusgroup.simulator import MemoryStore, Session

from .build import Means, build
from .experiment import Experiment, Room
from .made_up import usual_answers, written
from .options import Options
from .rehearsal import PROBED, Kind, StandIn, Tallies, Tally, rate_between, sum_of
from .scenario import Scenario
from .token_scale import Scale

# Calls of an audience; what goes beyond is taken to go on like the second half of its users.
REHEARSED = 2_000
AT_ONCE = 8  # visits: few, so that the model is asked about whole visits and not first pages alone
AT_WORST = 250  # calls of users who stay and take all they can, for the longest prompt
PROBE = 200  # answers of the model, at most a fifth of the pages there may be
ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Tokens:
    """Prompt and answer tokens, and what they cost."""

    prompt: float
    answer: float

    @property
    def both(self) -> float:
        return self.prompt + self.answer


@dataclass(frozen=True, slots=True)
class AudienceEstimate:
    """What the language model of an audience would be asked.

    Attributes:
        calls, pages, words: expected; `words` are reviews and interviews, part of the calls.
        most_calls, most: bounds, if nobody leaves and every reply needs its fresh attempt.
        seconds: of one call with `at_once` others under way, or None; parallel: calls at once.
        asked: calls made to the model to see how it answers; silence: why there were none.
        exact: whether tokens are counted by the model's own tokenizer.
    """

    name: str
    calls: float
    pages: float
    words: float
    tokens: Tokens
    most_calls: int
    most: Tokens
    seconds: float | None
    parallel: int
    asked: int
    silence: str
    exact: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a scenario would take.

    Attributes:
        audiences: those with a language model. silent: names of the others.
    """

    title: str
    visits: int
    audiences: tuple[AudienceEstimate, ...]
    silent: tuple[str, ...]


@dataclass(slots=True)
class _Counted:
    """What was counted of an audience while it was rehearsed.

    Attributes:
        longest: characters of the longest prompt at worst.
    """

    tallies: Tallies = field(default_factory=dict)
    pages: float = 0.0
    longest: int = 0


async def estimate(scenario: Scenario, options: Options, *, probe: int = PROBE) -> Estimate:
    """Rehearse a run: the real users, prompts and recommenders, and a stand-in for the model.

    Where users leave when the model says so, it is asked for up to `probe` answers, at most a fifth
    of the pages there may be; elsewhere for a few, to see how long they are. After 30 s no more is
    asked. Its replies then stand for all. They are kept in the journal, where one is shared with
    the run. Where the model is out of reach, or `probe` is 0, users leave as the scenario assumes.

    Raises:
        UserError: the scenario, or something it names, is wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = options.journal or Path(folder) / "journal.sqlite"
        with Journal(path) as journal:
            return await _with_journal(scenario, options, journal, probe)


async def _with_journal(
    scenario: Scenario, options: Options, journal: Journal, probe: int
) -> Estimate:
    stand_ins: list[StandIn] = []

    def relay(model: LLM) -> LLM:
        within = replace(options.budget, max_seconds=None)
        stand_ins.append(_stand_in(model, scenario, probe, within, journal))
        return stand_ins[-1]

    # Nobody is waited for long, and nothing is kept.
    hasty = replace(options.llm, timeout=min(options.llm.timeout, 30.0), retries=0, patience=5)
    line = Line(journal, JournalMode.OFF, hasty, relay=relay)
    experiment = await build(scenario, Means(line, options.folder))
    try:
        return await _rehearsed(experiment, stand_ins, options)
    finally:
        await experiment.aclose()


async def _rehearsed(
    experiment: Experiment, stand_ins: list[StandIn], options: Options
) -> Estimate:
    speaking = [room for room in experiment.rooms if room.speaker is not None]
    of_model = dict(zip(dict.fromkeys(r.spec.llm for r in speaking), stand_ins, strict=True))
    learned = {llm: dict(stand_in.tallies) for llm, stand_in in of_model.items()}
    for stand_in in stand_ins:
        await stand_in.open_probe()
    found = []
    for room in speaking:
        stand_in = of_model[room.spec.llm]
        counted = await _count(experiment, room, stand_in)
        counted.longest = await _longest(experiment, room, stand_in)
        _add(counted.tallies, learned.pop(room.spec.llm, {}))
        found.append(_estimated(experiment, room, stand_in, counted, options))
    return Estimate(
        experiment.scenario.title,
        experiment.planned_sessions(),
        tuple(found),
        tuple(room.audience.name for room in experiment.rooms if room.speaker is None),
    )


async def _count(experiment: Experiment, room: Room, stand_in: StandIn) -> _Counted:
    """Rehearse the first users of an audience, and stretch what came to all of them."""
    users = room.audience.user_ids
    rehearsed = _first(experiment, room, REHEARSED)
    before, half = dict(stand_in.tallies), len(rehearsed) // 2
    if len(rehearsed) == len(users):
        pages = await _play(experiment, room, rehearsed)
        return _Counted(rate_between(before, stand_in.tallies), pages)
    first = await _play(experiment, room, rehearsed[:half])
    middle = dict(stand_in.tallies)
    second = await _play(experiment, room, rehearsed[half:])
    counted = _Counted(rate_between(before, stand_in.tallies), first + second)
    # What all users share is asked by the first of them: the rest goes on like the second half.
    further = (len(users) - len(rehearsed)) / (len(rehearsed) - half)
    _add(counted.tallies, rate_between(middle, stand_in.tallies), further)
    counted.pages += further * second
    return counted


async def _longest(experiment: Experiment, room: Room, stand_in: StandIn) -> int:
    """Characters of the longest prompt of users who stay and take all they can."""
    k = experiment.scenario.page.k

    def answer(request: CompletionRequest) -> str:
        return written(request, range(1, most_picks(k) + 1), stays=True)

    with stand_in.answering(answer) as lengths:
        await _play(experiment, room, _first(experiment, room, AT_WORST))
    return max(lengths, default=0)


def _first(experiment: Experiment, room: Room, calls: int) -> Sequence[str]:
    """Users of an audience who may be asked so often in all; two at least."""
    scenario = experiment.scenario
    visits = len(experiment.arms) * scenario.rounds
    a_user = visits * scenario.page.pages * _calls_a_page(room, scenario)
    return room.audience.user_ids[: max(2, calls // a_user)]


async def _play(experiment: Experiment, room: Room, users: Sequence[str]) -> int:
    """Pages these users see."""
    pages = 0

    def ended(session: Session) -> None:
        nonlocal pages
        pages += len(session.turns)

    audience = replace(room.audience, user_ids=tuple(users), concurrency=AT_ONCE)
    alone = replace(experiment, rooms=(replace(room, audience=audience),), hooks=[ended])
    await alone.execute(MemoryStore(), concurrency=AT_ONCE)
    return pages


def _add(tallies: Tallies, more: Tallies, factor: float = 1.0) -> None:
    for kind, tally in more.items():
        tallies[kind] = tallies.get(kind, Tally()).plus(tally, factor)


def _estimated(
    experiment: Experiment, room: Room, stand_in: StandIn, counted: _Counted, options: Options
) -> AudienceEstimate:
    scale = Scale.of(stand_in)
    expected = [
        Tokens(
            tally.characters / scale.characters_per_token[kind],
            tally.calls * scale.answer_tokens[kind],
        )
        for kind, tally in counted.tallies.items()
    ]
    everything = sum_of(list(counted.tallies.values()))
    most_calls = _most_calls(experiment, room)
    fewest = min((scale.characters_per_token[kind] for kind in counted.tallies), default=1.0)
    slots = options.llm.slots if room.spec.llm.startswith("embedded") else None
    return AudienceEstimate(
        name=room.audience.name,
        calls=everything.calls,
        pages=counted.pages,
        words=counted.tallies.get(Kind.WORDS, Tally()).calls,
        tokens=Tokens(sum(t.prompt for t in expected), sum(t.answer for t in expected)),
        most_calls=most_calls,
        most=Tokens(
            most_calls * math.ceil(max(everything.longest, counted.longest) / fewest),
            most_calls * everything.longest_reply,
        ),
        seconds=mean(said.latency for _, said in stand_in.asked) if stand_in.asked else None,
        parallel=slots or min(usual_concurrency(room.spec.llm), options.concurrency),
        asked=len(stand_in.asked),
        silence=stand_in.silence,
        exact=isinstance(stand_in.model, TokenCounter),
    )


def _most_calls(experiment: Experiment, room: Room) -> int:
    """Calls if nobody leaves, everything is reviewed, and every reply needs its fresh attempt."""
    scenario, spec = experiment.scenario, room.spec
    k = scenario.page.k
    visits = len(room.audience.user_ids) * len(experiment.arms) * scenario.rounds
    pages = visits * scenario.page.pages
    pooled, a_page = spec.decision == "pooled", _calls_a_page(room, scenario)
    learning = spec.calibration_users if pooled and scenario.calibration is None else 0
    acted = most_picks(k) if spec.style == "answer" and not pooled else k
    words = (pages * acted if spec.reviews else 0) + (visits if spec.interview else 0)
    return ATTEMPTS * ((pages + learning) * a_page + words)


def _calls_a_page(room: Room, scenario: Scenario) -> int:
    if room.spec.style == "answer":
        return 1
    return scenario.page.k * (2 if room.spec.decision == "pooled" else 1)


def _stand_in(
    model: LLM, scenario: Scenario, probe: int, budget: Budget, journal: Journal
) -> StandIn:
    languages = {spec.language for spec in scenario.audiences.values() if spec.agent == "llm"}
    words = [
        (language.words("yes_words")[0], language.words("no_words")[0])
        for language in map(load_language, sorted(languages))
    ]
    each = 0.5 / max(1, len(words))
    likeliest = [(word, math.log(each)) for pair in words for word in pair]
    own_word = [
        spec.users
        for spec in scenario.audiences.values()
        if spec.agent == "llm" and spec.decision == "own_word" and spec.style == "answer"
    ]
    pages = sum(own_word) * len(scenario.recommenders) * scenario.rounds * scenario.page.pages
    probe = min(probe, max(pages // 5, PROBED))
    return StandIn(
        model,
        usual_answers(scenario),
        tuple(likeliest),
        probe=probe,
        budget=budget,
        journal=journal,
    )
