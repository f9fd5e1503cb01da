"""Shared out over any number of shards, a run is what it is in one process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from focusgroup.agents.llm import LLMOptions
from focusgroup.recommenders import recommender_names
from focusgroup.scenarios.cluster import shipped_past
from focusgroup.scenarios.cluster.shard import Shard
from focusgroup.scenarios.finished import FinishedRun
from focusgroup.simulator import UserError
from focusgroup.simulator.codec import from_table
from focusgroup.simulator.past import by_user_and_arm

Start = Callable[..., FinishedRun]


def test_silent_users_do_the_same_in_any_number_of_shards_over_rounds(
    start: Start, local_cluster: Any, silent: Any
) -> None:
    more = {"rounds": 2, "retrain": "fit"}
    alone = start("alone", silent, more=more)
    assert len(alone.sessions) == 120
    for actors in (1, 3):
        shared = start(f"by {actors}", silent, more=more, cluster=local_cluster(actors))
        assert shared.sessions == alone.sessions


def test_memory_travels(start: Start, local_cluster: Any, calls: Any, speaking: Any) -> None:
    """In later rounds a user's prompt tells of the earlier ones."""
    more = {"rounds": 2, "recommenders": ["popularity"]}
    alone = start("alone", speaking, more=more)
    before = calls()
    shared = start("shared", speaking, more=more, cluster=local_cluster(3))
    assert shared.sessions == alone.sessions
    assert calls() == before + before


def test_speaking_users_too_and_nothing_is_asked_more_often(
    start: Start, local_cluster: Any, calls: Any, speaking: Any
) -> None:
    alone = start("alone", speaking)
    once = calls()
    for nth, actors in enumerate((1, 2, 4), 2):
        told: list[object] = []
        shared = start(
            f"by {actors}",
            speaking,
            cluster=local_cluster(actors),
            on_session_end=told.append,
        )
        assert shared.sessions == alone.sessions
        assert calls() == Counter({page: nth * times for page, times in once.items()})
        assert shared.spent == alone.spent and shared.tokens == alone.tokens
        assert len(told) == len(shared.sessions) == 24


def test_each_audience_is_answered_by_its_own_model(
    start: Start, local_cluster: Any, start_server: Callable[..., Any], speaking: Any
) -> None:
    with start_server("--model", "demo-model", "--model", "other-model") as server:
        one, other = (
            {**speaking, "llm": f"openai:{name}@{server.url}", "users": 3}
            for name in ("demo-model", "other-model")
        )
        more = {"audiences": {"one": one, "other": other}, "rounds": 2}
        alone = start("alone", {}, more=more)
        once = Counter(body["model"] for body in server.seen() if "water" not in str(body))
        shared = start("shared", {}, more=more, cluster=local_cluster(2))
        twice = Counter(body["model"] for body in server.seen() if "water" not in str(body))
    assert shared.sessions == alone.sessions
    assert twice == once + once and len(once) == 2


def test_all_shards_together_keep_to_the_limits(
    start: Start, local_cluster: Any, speaking: Any
) -> None:
    cluster = local_cluster(3)
    start("run", speaking, cluster=cluster, concurrency=7, llm=LLMOptions(concurrency=5))
    assert sorted(job.concurrency for job in cluster.jobs) == [2, 2, 3]
    assert sorted(job.options.concurrency for job in cluster.jobs) == [1, 2, 2]


def test_a_past_is_shipped_whole_in_batches(
    start: Start, silent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = start("run", {**silent, "users": 5}, more={"rounds": 2}).sessions
    known = by_user_and_arm(sessions)
    monkeypatch.setattr(shipped_past, "_AT_ONCE", 2)
    users, arms = sorted({user for user, _ in known}), sorted({arm for _, arm in known})
    table = shipped_past.past_of(lambda user, arm: known[user, arm], users, arms)
    assert table is not None
    assert sorted(from_table(table), key=repr) == sorted(sessions, key=repr)
    past = shipped_past.ShippedPast(table)
    assert all(past(user, arm) == known[user, arm] for user, arm in known)
    assert past("nobody", arms[0]) == ()


def test_a_journal_of_one_process_serves_the_shards_and_the_other_way(
    start: Start, local_cluster: Any, speaking: Any, server: Any, world: Path
) -> None:
    audience, journal = speaking, world / "j.sqlite"
    first = start("a", audience, cluster=local_cluster(2), journal=journal)
    asked = len(server.seen())
    second = start("b", audience, journal=journal)
    third = start("c", audience, cluster=local_cluster(3), journal=journal)
    assert first.sessions == second.sessions == third.sessions
    assert len(server.seen()) == asked
    assert second.spent.calls == third.spent.calls == 0


def test_a_call_that_two_shards_want_is_made_once(
    start: Start, local_cluster: Any, calls: Any, speaking: Any
) -> None:
    """Nobody's persona is everybody's: the prior of the same page is asked for only once."""
    audience = {**speaking, "style": "score"}
    more = {"recommenders": ["popularity"], "page": {"k": 5, "pages": 1}}
    alone = start("alone", audience, more=more)
    once = calls()
    shared = start("shared", audience, more=more, cluster=local_cluster(8))
    assert shared.sessions == alone.sessions
    assert calls() == once + once


def test_every_recommender_travels(start: Start, local_cluster: Any, silent: Any) -> None:
    more = {"recommenders": list(recommender_names()), "page": {"k": 5, "pages": 2}}
    alone = start("alone", silent, more=more)
    assert start("shared", silent, more=more, cluster=local_cluster(2)).sessions == alone.sessions


def test_a_recommender_that_cannot_travel_is_named(
    start: Start, local_cluster: Any, silent: Any, in_order: Any, world: Path
) -> None:
    from focusgroup.scenarios.datasets import load_dataset

    stuck = in_order(load_dataset(str(world / "log.yaml")).catalog())
    stuck.lock = threading.Lock()
    with pytest.raises(UserError, match="recommender 'popularity' cannot be sent"):
        start("run", silent, recommenders={"popularity": stuck}, cluster=local_cluster(2))


def test_a_machine_with_another_version_is_refused(
    start: Start, local_cluster: Any, silent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def other(_: Shard) -> str:
        return "focusgroup 0.0.1 on Python 3.9"

    monkeypatch.setattr(Shard, "hello", other)
    with pytest.raises(UserError, match=r"a machine of the cluster has focusgroup 0\.0\.1"):
        start("run", silent, cluster=local_cluster(2))
