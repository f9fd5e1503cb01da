"""Duels on disk: ask, with a journal beside the result, and write down what came of it.

Whoever is stopped gives the same command again: what the journal holds is not asked twice, and the
same journal gives the same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from focusgroup.agents import Prompter, load_language
from focusgroup.agents.duel import BatchDuelJudge, Duel, DuelJudge, DuelReply, SpokenDuels
from focusgroup.agents.duel_expected import ExpectedDuels
from focusgroup.agents.llm import (
    Budget,
    Journal,
    JournaledLLM,
    JournalMode,
    Line,
    LLMOptions,
    Usage,
    parse_llm,
    usual_concurrency,
)
from focusgroup.simulator import UserError
from focusgroup.simulator.fidelity.duels import judge_duels
from focusgroup.simulator.noise import derive_seed

from .duel_file import RESULT, FinishedDuels, RoomDuels, write_duels
from .duel_setting import DuelRoom, DuelSetting
from .duels import Held, Planned, hold_duels, plan_duels
from .experiment import Speaker
from .outcome import Spent, model_facts
from .rundir import MANIFEST, RunDirectory

_OURS = ("lock", "journal.sqlite", RESULT)

Progress = Callable[[str, int], Callable[[Held], None]]


@dataclass(frozen=True, slots=True)
class DuelOptions:
    """How to ask, as opposed to what.

    Attributes:
        baseline_only: compare each arm with the baseline only, not all with all.
        reply: how a language model says which; None for the best it can.
        journal: a shared journal's path, or None for the one beside the result.
        concurrency: most duels waiting for a model at once.
        seconds: a clock for the budget's time limit.
        progress: given an audience's name and the duels to ask, returns a hook per duel.
    """

    baseline_only: bool = False
    reply: DuelReply | None = None
    journal: Path | None = None
    mode: JournalMode = JournalMode.RECORD
    concurrency: int = 64
    llm: LLMOptions = field(default_factory=LLMOptions)
    budget: Budget = field(default_factory=Budget)
    seconds: Callable[[], float] | None = None
    progress: Progress | None = None


def plan_room(setting: DuelSetting, room: DuelRoom, *, baseline_only: bool) -> list[Planned]:
    """The duels of one audience."""
    return plan_duels(room.pages, setting.baseline() if baseline_only else None)


def run_duels(setting: DuelSetting, out: Path, options: DuelOptions) -> FinishedDuels:
    """Hold the duels of every audience, and write `duel.json` to the folder `out`.

    Raises:
        UserError: the folder holds something else, a model is out of reach, or it is a replay and
            the journal has no answer.
        RunStopped: a budget is spent; KeyboardInterrupt likewise: the journal keeps what was paid.
    """
    if (out / MANIFEST).exists():
        raise UserError(f"{out} holds a run; choose another --out, e.g. {out / 'duel'}")
    if out.exists() and not (
        out.is_dir() and all(entry.name.startswith(_OURS) for entry in out.iterdir())
    ):
        raise UserError(f"{out} is not an empty folder, nor one of duels; choose another --out")
    existed = out.exists()
    with RunDirectory(out).locked():
        path = options.journal or out / "journal.sqlite"
        try:
            replays = options.mode is JournalMode.REPLAY
            with Journal(path, create=not replays) as journal:
                finished = asyncio.run(_hold_all(setting, options, journal))
        except UserError:
            _tidy(out, existed)
            raise
        write_duels(finished, out)
    return finished


async def _hold_all(setting: DuelSetting, options: DuelOptions, journal: Journal) -> FinishedDuels:
    opened: dict[str, JournaledLLM] = {}
    line = Line(journal, options.mode, options.llm, options.budget, options.seconds)
    try:
        rooms = [await _hold(setting, room, options, line, opened) for room in setting.rooms]
    finally:
        for llm in opened.values():
            await llm.aclose()
    spent = Spent(sum(m.calls for m in opened.values()), sum(m.hits for m in opened.values()))
    pairs = "baseline" if options.baseline_only else "all"
    return FinishedDuels(setting, pairs, tuple(rooms), spent)


async def _hold(
    setting: DuelSetting,
    room: DuelRoom,
    options: DuelOptions,
    line: Line,
    opened: dict[str, JournaledLLM],
) -> RoomDuels:
    experiment, spec = setting.experiment, room.spec
    planned = plan_room(setting, room, baseline_only=options.baseline_only)
    reply, model, at_once, asked_room = None, "", options.concurrency, room.room
    judge: DuelJudge | BatchDuelJudge
    if spec.agent == "llm":
        llm = _opened(room, line, opened)
        found = await llm.capabilities()
        reply = options.reply or DuelReply.possible(found, spec.llm)
        if not (found.logprobs if reply is DuelReply.ODDS else found.json_schema):
            raise UserError(
                f"--reply {reply.value}: {spec.llm} gives no"
                + (" log-probabilities" if reply is DuelReply.ODDS else " replies in JSON")
                + "; leave --reply out"
            )
        prompter = Prompter(load_language(spec.language), experiment.dataset.domain)
        personas = room.room.personas
        judge = SpokenDuels(llm, personas.__getitem__, prompter, experiment.catalog, Duel(reply))
        model = llm.fingerprint
        at_once = min(at_once, usual_concurrency(spec.llm))
        said = spec.model_copy(update={"style": f"duel ({reply.value})", "decision": "own_word"})
        asked_room = replace(room.room, spec=said, speaker=Speaker(llm, prompter, None))
    elif experiment.behaviour is None:
        raise UserError(f"audiences.{room.name}: no behaviour model was calibrated")
    else:
        judge = ExpectedDuels(experiment.behaviour, room.room.audience.history)
    told = None
    if options.progress is not None:
        told = options.progress(room.name, sum(duel.asks for duel in planned))
    held = await hold_duels(planned, judge, at_once=at_once, told=told)
    seed = derive_seed(setting.source.scenario.seed, "duels", room.name)
    calls, tokens = _paid(held, line.journal)
    results = judge_duels([one.outcome for one in held], tuple(experiment.arms), seed=seed)
    facts = model_facts(experiment, asked_room)
    return RoomDuels(room.name, facts, reply, model, tuple(held), results, calls, tokens)


def _opened(room: DuelRoom, line: Line, opened: dict[str, JournaledLLM]) -> JournaledLLM:
    name = room.spec.llm
    spec = parse_llm(name)
    if spec is None:
        raise UserError(f"audiences.{room.name}: agent llm needs a model, and llm is none")
    if name not in opened:
        opened[name] = line.open(spec)
    return opened[name]


def _paid(held: Sequence[Held], journal: Journal) -> tuple[int, Usage]:
    """Distinct completions behind the answers, and their tokens."""
    keys = sorted({key for one in held for key in one.completion_keys})
    found = [completion.usage for key in keys if (completion := journal.get(key))]
    usage = Usage(
        sum(u.prompt for u in found), sum(u.completion for u in found), sum(u.cached for u in found)
    )
    return len(found), usage


def _tidy(out: Path, existed: bool) -> None:
    """What duels that never began left in their folder; what was paid for is kept."""
    if (out / RESULT).exists():
        return
    journal = out / "journal.sqlite"
    if journal.exists():
        with Journal(journal) as opened:
            if opened.totals().completions:
                return
        for trace in out.glob("journal.sqlite*"):
            trace.unlink()
    (out / "lock").unlink(missing_ok=True)
    if not existed and not any(out.iterdir()):
        out.rmdir()
