"""Shards that die: they are replaced, and what they had handed over is not done again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from focusgroup.scenarios.batch import resume_run
from focusgroup.scenarios.finished import FinishedRun
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.rundir import RunDirectory
from focusgroup.simulator import RunStopped, SessionEnd, UserError

Start = Callable[..., FinishedRun]


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
