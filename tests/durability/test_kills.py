"""Killed at any instant, a run resumes to the result of one that was never killed.

Fifty kills with SIGKILL: at counted places of a run's own writing (before, within and after the
writing of parts, manifest and report, their syncs and renames, and the journal's commits), and from
outside at random moments; a third of the resumed runs is killed once more.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

KILLS = 50
LLM = ("--llm", "openai:scripted@http://127.0.0.1:9/v1", "--quiet")


@dataclass(frozen=True)
class Reference:
    """The run that was never killed."""

    sessions: list[Any]
    tables: str
    counts: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Kill:
    """Where a run is killed: at a place of its own, or `after` a part of its time."""

    number: int
    place: tuple[str, int, str] | None
    after: float | None
    again: float | None

    def __str__(self) -> str:
        where = f"{self.place}" if self.place else f"after {self.after:.2f} s"
        return f"kill {self.number}: {where}, again {self.again}"


def tables(out: str) -> str:
    """What a run came to, as it was printed: all but what it cost and where it lies."""
    other = ("Language model:", "Report:", "Ask for them again:")
    return "\n".join(line for line in out.splitlines() if not line.startswith(other))


@pytest.fixture(scope="module")
def reference(forks: Any, world: Path, stored: Any) -> Reference:
    out = world / "whole"
    order = {"asked": world / "asked-whole", "counts": world / "counts"}
    command = ("run", world / "scenario.yaml", *LLM, "--out", out)
    ran = forks.run(command, said=world / "said-whole", **order)
    assert ran.code == 0, ran.err
    counts = json.loads((world / "counts").read_text())
    sessions = stored.sessions_of(out)
    assert len(sessions) == (8 + 12) * 3 * 2
    assert {s.end.value for s in sessions} >= {"left", "limit", "failed"}
    return Reference(sessions, tables(ran.out), counts, ran.seconds)


def planned(reference: Reference) -> list[Kill]:
    """Two thirds at counted places, one third by the clock; the same ones every time."""
    draw = random.Random(20)
    places = ("fsync", "rename", "write", "commit", "put", "ask")
    kills = []
    for number in range(KILLS):
        again = draw.uniform(0.1, 0.9) * reference.seconds if number % 3 == 0 else None
        if number % 3 == 2:
            after = draw.uniform(0, 0.9) * reference.seconds
            kills.append(Kill(number, None, after, again))
            continue
        place = places[sum(kill.place is not None for kill in kills) % len(places)]
        nth = draw.randint(1, reference.counts[place])
        when = "within" if place == "write" else draw.choice(("before", "after"))
        kills.append(Kill(number, (place, nth, when), None, again))
    return kills


def test_fifty_kills(
    forks: Any, more_forks: Any, world: Path, reference: Reference, stored: Any
) -> None:
    def suffer(warm: Any, kills: list[Kill]) -> list[int]:
        return [_killed_and_resumed(warm, world, reference, kill, stored) for kill in kills]

    kills = planned(reference)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(suffer, forks, kills[::2])
        other = pool.submit(suffer, more_forks, kills[1::2])
    assert sum(one.result() + other.result()) >= KILLS


def _killed_and_resumed(
    warm: Any, world: Path, reference: Reference, kill: Kill, stored: Any
) -> int:
    """Returns how often it was killed."""
    run, said = world / f"killed-{kill.number}", world / f"said-{kill.number}"
    start = ("run", world / "scenario.yaml", *LLM, "--out", run)
    asked = world / f"asked-{kill.number}"
    went = warm.run(start, said=said, asked=asked, kill=kill.place, after=kill.after)
    sooner = kill.after
    while went.code == 0 and sooner is not None:  # it had ended before the clock struck
        sooner /= 2
        shutil.rmtree(run)
        went = warm.run(start, said=said, asked=asked, after=sooner)
    deaths = int(went.code != 0)
    for after in (None,) if kill.again is None else (kill.again, None):
        assert went.code in (0, -signal.SIGKILL), f"{kill}: {went.err}"
        stored.check_whole(run)
        kept = stored.journaled(run / "journal.sqlite")
        asked.unlink(missing_ok=True)
        on = ("resume", run, "--quiet") if (run / "manifest.json").exists() else start
        went = warm.run(on, said=said, asked=asked, after=after)
        deaths += went.code != 0
        twice = kept.intersection(asked.read_text().split())
        assert not twice, f"{kill}: {len(twice)} answers were in the journal"
    assert went.code == 0, f"{kill}: {went.err}"
    stored.check_whole(run)
    stored.check_tidy(run)
    assert stored.sessions_of(run) == reference.sessions, str(kill)
    assert tables(went.out) == reference.tables, str(kill)
    return deaths


def test_kills_against_a_real_server(
    forks: Any, world: Path, start_server: Callable[..., Any], stored: Any
) -> None:
    """The same over HTTP, and what was asked is counted where it arrives."""
    draw, said = random.Random(4), world / "said-http"
    with start_server("--delay", "0.01") as server:
        llm = ("--llm", f"openai:demo-model@{server.url}", "--concurrency", 8, "--quiet")
        start = ("run", world / "scenario.yaml", *llm, "--out")
        whole = forks.run((*start, world / "http-whole"), said=said)
        assert whole.code == 0, whole.err
        expected = stored.sessions_of(world / "http-whole")
        answers = len(stored.journaled(world / "http-whole" / "journal.sqlite"))
        probes = len(server.seen()) - answers
        deaths = 0
        for number in range(4):
            run = world / f"http-{number}"
            place = ("put", draw.randint(answers // 4, answers), "after") if number % 2 else None
            after = None if place else draw.uniform(0.3, 0.9) * whole.seconds
            killed = forks.run((*start, run), said=said, kill=place, after=after)
            deaths += killed.code != 0
            stored.check_whole(run)
            kept = stored.journaled(run / "journal.sqlite")
            before = len(server.seen())
            on = ("resume", run, "--quiet") if (run / "manifest.json").exists() else (*start, run)
            resumed = forks.run(on, said=said)
            assert resumed.code == 0, resumed.err
            assert len(server.seen()) - before <= probes + answers - len(kept)
            assert stored.sessions_of(run) == expected
            assert tables(resumed.out) == tables(whole.out)
    assert deaths >= 2
