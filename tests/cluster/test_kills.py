"""Whoever is killed with SIGKILL, at any instant, a shared run comes to what it comes to alone.

Fourteen kills, always the same, over three runs: an actor's process; two of them, one after
the other; a machine of the cluster with all that runs on it (another takes its place); and the
driver, the head of the run, which is then resumed, on the cluster or in one process.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from focusgroup.agents.llm import CompletionRequest
from focusgroup.agents.llm.chat import chat_body
from focusgroup.simulator import Session

ON_RAY, ALONE = "resume on Ray", "resume alone"
RUNS = (
    ("actor", "actors", "machine", "driver", ON_RAY, "actor", "driver", ALONE),
    ("machine", "driver", ON_RAY, "actors", "machine"),
    ("driver", ALONE, "driver", ON_RAY),
)
NODE = {"num_cpus": 2, "object_store_memory": 100_000_000, "include_dashboard": False}
ACTORS, CONCURRENCY = 3, 6
AUDIENCES = """\
  speakers: {agent: llm, users: 8, style: answer, reviews: 0.3, interview: true, llm: 'MODEL'}
  crowd: {agent: behaviour, users: 12}
"""


@dataclass(frozen=True)
class Kill:
    """Who is killed, once so many answers are journaled, and so many seconds later."""

    victim: str
    answers: int
    later: float
    luck: random.Random = field(repr=False)
    then: str | None


@dataclass(frozen=True)
class Whole:
    """The run that was never killed. `keys`: journal keys by what the server was asked."""

    sessions: list[Session]
    told: str
    keys: dict[str, str]
    calls: Counter[str]


def _planned(answers: int) -> list[list[Kill]]:
    draw, runs = random.Random(11), []
    for steps in RUNS:
        pairs = [
            p for p in zip(steps, (*steps[1:], ""), strict=True) if p[0] not in (ON_RAY, ALONE)
        ]
        # The last answers come too fast for anybody to be killed there.
        instants = sorted(draw.sample(range(answers * 9 // 10), len(pairs)))
        runs.append(
            [
                Kill(victim, at, draw.uniform(0, 0.1), random.Random(draw.random()), then)
                for (victim, then), at in zip(pairs, instants, strict=True)
            ]
        )
    return runs


@pytest.fixture
def server(start_server: Callable[..., Any]) -> Iterator[Any]:
    with start_server("--delay", "0.1") as running:
        yield running


def _identity(body: dict[str, Any]) -> str:
    names = ("messages", "max_tokens", "temperature", "seed", "logprobs", "top_logprobs")
    return json.dumps([body.get(name) for name in names])


def _asked(server: Any) -> list[str]:
    """All calls in the order in which they came; a probe is none."""
    return [one for one in map(_identity, server.seen()) if "water" not in one]


@pytest.fixture
def whole(
    focusgroup: Any, world: Path, server: Any, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> Whole:
    path, keys, key_of = world / "scenario.yaml", dict[str, str](), CompletionRequest.key

    def noted(request: CompletionRequest, fingerprint: str) -> str:
        key = key_of(request, fingerprint)
        assert keys.setdefault(_identity(chat_body(request)), key) == key
        return key

    audiences = AUDIENCES.replace("MODEL", f"openai:demo-model@{server.url}")
    text = path.read_text().replace("  everyone: {agent: behaviour, users: 20}\n", audiences)
    path.write_text(text + "rounds: 2\nretrain: fit\n")
    with monkeypatch.context() as patched:
        patched.setattr(CompletionRequest, "key", noted)
        ran = focusgroup("run", path, "--out", world / "alone", "--quiet")
    assert ran.code == 0, ran.err
    calls = Counter(_asked(server))
    assert set(calls) == set(keys) and set(calls.values()) == {1}
    assert set(keys.values()) == stored.journaled(world / "alone" / "journal.sqlite")
    sessions = stored.sessions_of(world / "alone")
    assert len(sessions) == (8 + 12) * 3 * 2
    told = focusgroup("compare", world / "alone", "--json").out
    return Whole(sessions, told, keys, calls)


class Ground:
    """What is killed: the actors of this machine, a node of the cluster, the driver."""

    def __init__(self, cluster: Any, actors: Any, wait_until: Any) -> None:
        self.cluster, self._actors, self._wait_until = cluster, actors, wait_until
        self.kills = 0

    def kill(self, kill: Kill, driver: subprocess.Popen[bytes]) -> None:
        """Whatever there is to kill; the driver may have ended by itself meanwhile."""
        if kill.victim == "driver":
            driver.kill()
            self.kills += driver.wait() == -signal.SIGKILL
        elif kill.victim == "machine":
            (node,) = self.cluster.worker_nodes
            self.cluster.remove_node(node, allow_graceful=False)
            self.kills += 1
            self.cluster.add_node(**NODE)
        else:
            known: set[int] = set()
            for _ in range(1 + (kill.victim == "actors")):
                known |= self._kill_an_actor(kill.luck, driver, known)

    def _kill_an_actor(
        self, luck: random.Random, driver: subprocess.Popen[bytes], known: set[int]
    ) -> set[int]:
        """Kills one that is not known yet; returns all that were there."""
        self._wait_until(lambda: driver.poll() is not None or set(self._actors()) - known)
        found = self._actors()
        if fresh := [pid for pid in found if pid not in known]:
            os.kill(luck.choice(fresh), signal.SIGKILL)
            self.kills += 1
        return set(found)


@pytest.fixture
def ground(cluster: Any, actors: Any, wait_until: Any) -> Ground:
    return Ground(cluster, actors, wait_until)


def _keys(run: Path) -> set[str]:
    """What the journal holds while the run goes on."""
    where = f"file:{run / 'journal.sqlite'}?mode=ro"
    try:
        with closing(sqlite3.connect(where, uri=True)) as db:
            return {key for (key,) in db.execute("SELECT key FROM completions")}
    except sqlite3.OperationalError:
        return set()  # it is not there yet


@contextmanager
def _driver(run: Path, command: Sequence[object]) -> Iterator[subprocess.Popen[bytes]]:
    called = [sys.executable, "-m", "focusgroup.scenarios.cli", *map(str, command), "--quiet"]
    with (run.parent / f"said-{run.name}").open("ab") as said:
        started = subprocess.Popen(called, stdout=said, stderr=said)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@pytest.mark.parametrize("number", range(len(RUNS)))
def test_kills(
    number: int,
    focusgroup: Any,
    world: Path,
    server: Any,
    whole: Whole,
    ground: Ground,
    stored: Any,
) -> None:
    run, kills = world / "killed", _planned(len(whole.keys))[number]
    shared = ("--ray", ground.cluster.address, "--actors", ACTORS)
    command: tuple[object, ...] = ("run", world / "scenario.yaml", "--out", run, *shared)
    code, moments = -signal.SIGKILL, list[tuple[set[str], int]]()
    left = list(kills)
    while code == -signal.SIGKILL:
        with _driver(run, (*command, "--concurrency", CONCURRENCY)) as driver:
            while left and driver.poll() is None:
                if len(_keys(run)) < left[0].answers:
                    time.sleep(0.05)
                    continue
                kill = left.pop(0)
                time.sleep(kill.later)
                kept = _keys(run)
                moments.append((kept, len(_asked(server))))
                stored.check_whole(run)
                ground.kill(kill, driver)
                if kill.then:
                    begun = (run / "manifest.json").exists()
                    command = ("resume", run) if begun else command[:4]
                    command += shared if kill.then == ON_RAY else ()
            code = driver.wait(timeout=240)
        stored.check_whole(run)
        moments.append((stored.journaled(run / "journal.sqlite"), len(_asked(server))))
    said = (world / f"said-{run.name}").read_text()
    assert code == 0, said
    assert not left and ground.kills >= len(kills), said
    asked = _asked(server)
    for kept, before in moments:
        twice = kept.intersection(whole.keys[one] for one in asked[before:])
        assert not twice, f"{len(twice)} answers were in the journal"
    again = Counter(asked) - whole.calls - whole.calls
    # Calls or answers that were under way: one for each visit, of which there are two a call.
    assert again.total() <= ground.kills * 2 * CONCURRENCY
    assert stored.sessions_of(run) == whole.sessions
    assert focusgroup("compare", run, "--json").out == whole.told
    assert focusgroup("journal", "verify", run).code == 0
    stored.check_tidy(run)
