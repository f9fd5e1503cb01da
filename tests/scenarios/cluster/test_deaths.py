"""Shards that die: they are replaced, and what they had handed over is not done again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from focusgroup.agents.llm import (
    Completion,
    CompletionRequest,
    Journal,
    JournaledLLM,
    Message,
    ScriptedLLM,
)
from focusgroup.scenarios.batch import resume_run
from focusgroup.scenarios.cluster.crew import ShardLost
from focusgroup.scenarios.cluster.messages import Ask, Came, Ended, FromHead, FromShard, Go
from focusgroup.scenarios.cluster.relay import RelayLLM
from focusgroup.scenarios.cluster.watch import Watch
from focusgroup.scenarios.finished import FinishedRun
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.rundir import RunDirectory
from focusgroup.simulator import RunStopped, SessionEnd, UserError

Start = Callable[..., FinishedRun]
REQUEST = CompletionRequest((Message("user", "Well?"),))


def test_a_shard_that_dies_is_replaced_and_what_came_is_not_asked_again(
    start: Start, local_cluster: Any, stored: Any, calls: Any, speaking: Any
) -> None:
    alone = start("alone", speaking)
    once = calls()
    cluster = local_cluster(2, lives=[20, 30, 25])
    shared = start("shared", speaking, cluster=cluster)
    assert cluster.started > 2
    assert shared.sessions == alone.sessions
    assert stored(shared) == 24
    # Only calls under way when a shard died were made twice, and a death lost some of 8 at most.
    again = calls() - once - once
    assert 0 <= again.total() <= 3 * 8
    assert 0 <= shared.spent.calls - once.total() - again.total() <= 3 * 8


def test_sessions_that_a_dead_shard_had_handed_over_are_not_run_again(
    start: Start, local_cluster: Any, stored: Any, speaking: Any
) -> None:
    alone, told = start("alone", speaking), list[object]()
    cluster = local_cluster(1, lives=[125])  # after its first part of sixteen, before its last
    shared = start("shared", speaking, cluster=cluster, on_session_end=told.append, concurrency=2)
    assert cluster.started == 2
    assert shared.sessions == alone.sessions
    assert stored(shared) == len(told) == 24


def test_a_shard_that_dies_at_once_every_time_stops_the_run(
    start: Start, local_cluster: Any, speaking: Any, world: Path
) -> None:
    with pytest.raises(RunStopped, match=r"died 3 times without getting anywhere.*told to die"):
        start("shared", speaking, cluster=local_cluster(1, lives=[0] * 9))
    options = Options(folder=world, report=False)
    resumed = resume_run(RunDirectory.existing(world / "shared"), options, lambda: "later")
    assert resumed.sessions == start("alone", speaking).sessions


def test_shards_may_die_ever_so_often_if_they_get_somewhere(
    start: Start, local_cluster: Any, speaking: Any
) -> None:
    cluster = local_cluster(1, lives=[24] * 5)
    shared = start("shared", speaking, cluster=cluster, concurrency=2)
    assert cluster.started == 6
    assert shared.sessions == start("alone", speaking).sessions


class Calling:
    """A worker that dies while it calls the model, once somebody else wants the same answer."""

    def __init__(self) -> None:
        self.called, self.wanted = asyncio.Event(), asyncio.Event()
        self._asked = False

    async def collect(self) -> list[FromShard]:
        if not self._asked:
            self._asked = True
            return [Ask(0, REQUEST)]
        await self.wanted.wait()
        raise ShardLost("killed")

    async def deliver(self, messages: Sequence[FromHead]) -> None:
        assert list(messages) == [Go(0)]
        self.called.set()


class Wanting:
    """A worker that asks the same, and makes the call when it is told to."""

    def __init__(self, other: Calling) -> None:
        self._other = other
        self._said: asyncio.Queue[list[FromShard]] = asyncio.Queue()
        self._asked = False

    async def collect(self) -> list[FromShard]:
        if not self._asked:
            self._asked = True
            await self._other.called.wait()
            return [Ask(0, REQUEST)]
        self._other.wanted.set()
        return await self._said.get()

    async def deliver(self, messages: Sequence[FromHead]) -> None:
        for message in messages:
            told = Came(0, Completion("yes")) if message == Go(0) else Ended()
            self._said.put_nowait([told])


def test_who_waits_for_the_call_of_a_shard_that_dies_makes_it_instead(tmp_path: Path) -> None:
    calling: Any = Calling()
    wanting: Any = Wanting(calling)

    async def serve(model: JournaledLLM) -> None:
        first, second = (
            Watch(worker, model, lambda _: None, lambda _: None) for worker in (calling, wanting)
        )
        async with asyncio.timeout(10):
            ends = await asyncio.gather(first.serve(), second.serve(), return_exceptions=True)
        assert [type(end) for end in ends] == [ShardLost, type(None)]

    with Journal(tmp_path / "j.sqlite") as journal:
        model = JournaledLLM(RelayLLM(ScriptedLLM(lambda _: "asked here")), journal)
        asyncio.run(serve(model))
        stored = journal.get(REQUEST.key(model.fingerprint))
    assert stored is not None and stored.text == "yes"


def test_a_shard_that_dies_as_it_starts_is_replaced(
    start: Start, local_cluster: Any, silent: Any
) -> None:
    cluster = local_cluster(2, lives=[-1, -1])
    assert start("shared", silent, cluster=cluster).sessions == start("alone", silent).sessions
    assert cluster.started == 4


def test_where_no_shard_ever_starts_it_is_said_what_a_machine_needs(
    start: Start, local_cluster: Any, silent: Any, world: Path
) -> None:
    with pytest.raises(UserError, match=r"no actor can be started: never there.*needs focusgroup"):
        start("shared", silent, cluster=local_cluster(1, lives=[-1] * 9))
    assert not (world / "shared").exists()


def test_failed_sessions_are_retried_once_even_if_the_shard_dies_meanwhile(
    start: Start, local_cluster: Any, stored: Any, speaking: Any, server: Any, world: Path
) -> None:
    server.order("empty", None)
    broken = start("run", speaking)
    assert {s.end for s in broken.sessions} == {SessionEnd.FAILED}
    cluster = local_cluster(1, lives=[70])
    options = Options(folder=world, report=False, retry_failed=True, cluster=cluster, concurrency=2)
    resumed = resume_run(broken.directory, options, lambda: "later")
    assert cluster.started == 2
    assert {s.attempt for s in resumed.sessions} == {1}
    assert stored(resumed) == 24
