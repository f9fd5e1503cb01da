"""A shared run without Ray: shards in this process, all they say and hear pickled."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.agents.llm import Budget, TransportError
from focusgroup.agents.llm.protocol import TransportKind
from focusgroup.recommenders import recommender_names
from focusgroup.scenarios.batch import resume_run, start_run
from focusgroup.scenarios.cluster import shard as shard_module
from focusgroup.scenarios.cluster.crew import ShardLost
from focusgroup.scenarios.cluster.dealing import deal, shares
from focusgroup.scenarios.cluster.messages import FromHead, FromShard, Job, portable
from focusgroup.scenarios.cluster.place import Place, with_address
from focusgroup.scenarios.cluster.ray_cluster import ray_cluster
from focusgroup.scenarios.cluster.shard import Shard
from focusgroup.scenarios.finished import FinishedRun
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.rundir import RunDirectory
from focusgroup.scenarios.scenario import scenario_from
from focusgroup.simulator import RunStopped, SessionEnd, UserError

SPEAKING = {"agent": "llm", "users": 8, "style": "answer", "reviews": 0.3, "interview": True}
SILENT = {"agent": "behaviour", "users": 20}


class LocalWorker:
    """A shard in this process that dies after it has said so many messages."""

    def __init__(self, life: int | None) -> None:
        self._shard = Shard()
        self._life = life
        self._dead = False

    async def hello(self) -> str:
        return await self._shard.hello()

    async def begin(self, audience: Any, arms: Any, shown: Any, job: Job) -> None:
        await self._alive(self._shard.begin(audience, arms, shown, _sent(job)))

    async def collect(self) -> list[FromShard]:
        if self._life is not None and self._life <= 0:
            await self._shard.close()
            self._dead = True
            raise ShardLost("told to die")
        said: list[FromShard] = _sent(await self._alive(self._shard.collect()))
        if self._life is not None:
            self._life -= len(said)
        return said

    async def deliver(self, messages: Sequence[FromHead]) -> None:
        await self._alive(self._shard.deliver(_sent(messages)))

    async def halt(self) -> list[FromShard]:
        said: list[FromShard] = _sent(await self._alive(self._shard.halt()))
        return said

    async def close(self) -> None:
        await self._shard.close()

    def kill(self) -> None:
        self._dead = True

    async def _alive(self, work: Any) -> Any:
        if self._dead:
            work.close()
            raise ShardLost("dead")
        return await work


class LocalCluster:
    """Starts workers; `lives` says after how many messages each of the first ones dies."""

    def __init__(self, actors: int, lives: Sequence[int] = ()) -> None:
        self.actors = actors
        self.started = 0
        self._lives = list(lives)

    def pack(self, what: object, name: str) -> Any:
        try:
            return pickle.dumps(what)
        except Exception as error:
            raise UserError(f"{name} cannot be sent") from error

    def start(self) -> LocalWorker:
        self.started += 1
        return LocalWorker(self._lives.pop(0) if self._lives else None)


def _sent(message: Any) -> Any:
    return pickle.loads(pickle.dumps(message))


Start = Callable[..., FinishedRun]


@pytest.fixture
def start(world: Path) -> Start:
    """Runs the two-tastes world in `world / name`."""

    def run(name: str, audience: dict[str, object], **options: Any) -> FinishedRun:
        more = options.pop("more", {})
        scenario = scenario_from(
            {
                "title": "Two tastes",
                "data": {"name": str(world / "log.yaml"), "min_history": 5},
                "page": {"k": 5, "pages": 3},
                "recommenders": ["random", "popularity", "item_knn"],
                "audiences": {"everyone": audience},
                "primary": "click_rate",
                **more,
            },
            "test",
        )
        ready = options.pop("recommenders", None)
        return start_run(
            scenario,
            RunDirectory.fresh(world / name),
            name,
            Options(folder=world, report=False, **options),
            lambda: "now",
            recommenders=ready,
        )

    return run


@pytest.fixture
def server(start_server: Callable[..., Any]) -> Iterator[Any]:
    with start_server() as running:
        yield running


def _with(server: Any) -> dict[str, object]:
    return {**SPEAKING, "llm": f"openai:demo-model@{server.url}"}


def _stored(run: FinishedRun) -> int:
    """How many sessions lie in the parts, those stored twice counted twice."""
    return len(list(run.directory.store(writing=False).scan()))


def _calls(server: Any) -> Counter[str]:
    """How often each page was asked about; a probe is none."""
    asked = (json.dumps([b["messages"], b.get("seed")]) for b in server.seen())
    return Counter(one for one in asked if "water" not in one)


@given(st.sets(st.text(max_size=4)), st.integers(1, 9), st.randoms())
def test_every_user_is_dealt_once_and_evenly_whatever_the_order(
    users: set[str], shards: int, random: Any
) -> None:
    listed = sorted(users)
    dealt = deal(listed, shards)
    assert sorted(user for share in dealt for user in share) == listed
    assert len(dealt) == min(shards, len(users))
    assert max(map(len, dealt), default=0) - min(map(len, dealt), default=0) <= 1
    assert all(share == sorted(share) for share in dealt)
    random.shuffle(listed)
    assert [set(share) for share in deal(listed, shards)] == [set(share) for share in dealt]


@given(st.integers(1, 1000), st.integers(1, 50))
def test_a_limit_is_shared_out_whole(whole: int, shards: int) -> None:
    each = shares(whole, shards)
    assert len(each) == shards and min(each) >= 1
    assert sum(each) == max(whole, shards)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("run x --ray", "run x --ray auto"),
        ("run --ray x", "run --ray auto x"),
        ("run x --ray --actors 2", "run x --ray auto --actors 2"),
        ("run x --ray local", "run x --ray local"),
        ("run x --ray ray://h:10001 --quiet", "run x --ray ray://h:10001 --quiet"),
        ("run x --ray=h:6379", "run x --ray=h:6379"),
    ],
)
def test_the_address_may_be_left_out(written: str, read: str) -> None:
    assert with_address(written.split()) == read.split()


def test_errors_arrive_as_what_they_were() -> None:
    sent: list[Exception] = [
        _sent(portable(e))
        for e in (
            UserError("a"),
            RunStopped("b"),
            TransportError("c", TransportKind.BUSY, status=429, retry_after=2.0),
        )
    ]
    assert [type(e) for e in sent] == [UserError, RunStopped, TransportError]
    assert [str(e) for e in sent] == ["a", "b", "c"]
    lost = sent[2]
    assert isinstance(lost, TransportError)
    assert (lost.kind, lost.status, lost.retry_after) == (TransportKind.BUSY, 429, 2.0)
    try:
        raise KeyError("unforeseen")
    except KeyError as error:
        assert "KeyError: 'unforeseen'" in str(_sent(portable(error)))


def test_silent_users_do_the_same_in_any_number_of_shards_over_rounds(start: Start) -> None:
    more = {"rounds": 2, "retrain": "fit"}
    alone = start("alone", SILENT, more=more)
    assert len(alone.sessions) == 120
    for actors in (1, 3):
        shared = start(f"by {actors}", SILENT, more=more, cluster=LocalCluster(actors))
        assert shared.sessions == alone.sessions


def test_memory_travels(start: Start, server: Any) -> None:
    """In later rounds a user's prompt tells of the earlier ones."""
    more = {"rounds": 2, "recommenders": ["popularity"]}
    alone = start("alone", _with(server), more=more)
    before = _calls(server)
    shared = start("shared", _with(server), more=more, cluster=LocalCluster(3))
    assert shared.sessions == alone.sessions
    assert _calls(server) == before + before


def test_speaking_users_too_and_nothing_is_asked_more_often(start: Start, server: Any) -> None:
    alone = start("alone", _with(server))
    once = _calls(server)
    for nth, actors in enumerate((1, 2, 4), 2):
        told: list[object] = []
        shared = start(
            f"by {actors}",
            _with(server),
            cluster=LocalCluster(actors),
            on_session_end=told.append,
        )
        assert shared.sessions == alone.sessions
        assert _calls(server) == Counter({page: nth * times for page, times in once.items()})
        assert shared.spent == alone.spent and shared.tokens == alone.tokens
        assert len(told) == len(shared.sessions) == 24


def test_a_journal_of_one_process_serves_the_shards_and_the_other_way(
    start: Start, server: Any, world: Path
) -> None:
    audience, journal = _with(server), world / "j.sqlite"
    first = start("a", audience, cluster=LocalCluster(2), journal=journal)
    asked = len(server.seen())
    second = start("b", audience, journal=journal)
    third = start("c", audience, cluster=LocalCluster(3), journal=journal)
    assert first.sessions == second.sessions == third.sessions
    assert len(server.seen()) == asked
    assert second.spent.calls == third.spent.calls == 0


def test_a_shard_that_dies_is_replaced_and_what_came_is_not_asked_again(
    start: Start, server: Any
) -> None:
    alone = start("alone", _with(server))
    once = _calls(server)
    cluster = LocalCluster(2, lives=[20, 30, 25])
    shared = start("shared", _with(server), cluster=cluster)
    assert cluster.started > 2
    assert shared.sessions == alone.sessions
    assert _stored(shared) == 24
    # Only calls under way when a shard died were made twice, and a death lost some of 8 at most.
    again = _calls(server) - once - once
    assert 0 <= again.total() <= 3 * 8
    assert 0 <= shared.spent.calls - once.total() - again.total() <= 3 * 8


def test_sessions_that_a_dead_shard_had_handed_over_are_not_run_again(
    start: Start, server: Any
) -> None:
    alone, told = start("alone", _with(server)), list[object]()
    cluster = LocalCluster(1, lives=[125])  # after its first part of sixteen, before its last
    shared = start(
        "shared", _with(server), cluster=cluster, on_session_end=told.append, concurrency=2
    )
    assert cluster.started == 2
    assert shared.sessions == alone.sessions
    assert _stored(shared) == len(told) == 24


def test_a_shard_that_dies_at_once_every_time_stops_the_run(
    start: Start, server: Any, world: Path
) -> None:
    with pytest.raises(RunStopped, match=r"died 3 times without getting anywhere.*told to die"):
        start("shared", _with(server), cluster=LocalCluster(1, lives=[0] * 9))
    options = Options(folder=world, report=False)
    resumed = resume_run(RunDirectory.existing(world / "shared"), options, lambda: "later")
    assert resumed.sessions == start("alone", _with(server)).sessions


def test_failed_sessions_are_retried_once_even_if_the_shard_dies_meanwhile(
    start: Start, server: Any, world: Path
) -> None:
    server.order("empty", None)
    broken = start("run", _with(server))
    assert {s.end for s in broken.sessions} == {SessionEnd.FAILED}
    cluster = LocalCluster(1, lives=[70])
    options = Options(folder=world, report=False, retry_failed=True, cluster=cluster, concurrency=2)
    resumed = resume_run(broken.directory, options, lambda: "later")
    assert cluster.started == 2
    assert {s.attempt for s in resumed.sessions} == {1}
    assert _stored(resumed) == 24


def test_a_budget_holds_for_all_shards_together(start: Start, server: Any, world: Path) -> None:
    budget = Budget(max_tokens=6000)
    with pytest.raises(RunStopped, match="the budget is spent"):
        start("run", _with(server), cluster=LocalCluster(4), budget=budget)
    directory = RunDirectory.existing(world / "run")
    paid = _calls(server)
    resumed = resume_run(directory, Options(folder=world, report=False), lambda: "later")
    assert 0 < paid.total() < resumed.spent.calls + resumed.spent.hits
    assert resumed.tokens.prompt + resumed.tokens.completion > budget.max_tokens
    assert resumed.sessions == start("alone", _with(server)).sessions


def test_what_only_one_shard_meets_stops_all_with_its_own_words(
    start: Start, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise UserError("this machine cannot reach the server")

    monkeypatch.setattr(shard_module, "open_llm", closed)
    with pytest.raises(UserError, match=r"^this machine cannot reach the server$"):
        start("run", _with(server), cluster=LocalCluster(3))


def test_a_call_that_two_shards_want_is_made_once(start: Start, server: Any) -> None:
    """Nobody's persona is everybody's: the prior of the same page is asked for only once."""
    audience = {**_with(server), "style": "score"}
    more = {"recommenders": ["popularity"], "page": {"k": 5, "pages": 1}}
    alone = start("alone", audience, more=more)
    once = _calls(server)
    shared = start("shared", audience, more=more, cluster=LocalCluster(8))
    assert shared.sessions == alone.sessions
    assert _calls(server) == once + once


def test_a_recommender_that_cannot_travel_is_named(
    start: Start, in_order: Any, world: Path
) -> None:
    from focusgroup.scenarios.datasets import load_dataset

    stuck = in_order(load_dataset(str(world / "log.yaml")).catalog())
    stuck.lock = threading.Lock()
    with pytest.raises(UserError, match="recommender 'popularity' cannot be sent"):
        start("run", SILENT, recommenders={"popularity": stuck}, cluster=LocalCluster(2))


def test_a_machine_with_another_version_is_refused(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def other(_: Shard) -> str:
        return "focusgroup 0.0.1 on Python 3.9"

    monkeypatch.setattr(Shard, "hello", other)
    with pytest.raises(UserError, match=r"a machine of the cluster has focusgroup 0\.0\.1"):
        start("run", SILENT, cluster=LocalCluster(2))


def test_every_recommender_travels(start: Start) -> None:
    more = {"recommenders": list(recommender_names()), "page": {"k": 5, "pages": 2}}
    alone = start("alone", SILENT, more=more)
    assert start("shared", SILENT, more=more, cluster=LocalCluster(2)).sessions == alone.sessions


def test_without_ray_the_flag_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(UserError, match=r"pip install 'focusgroup\[ray\]'"),
        ray_cluster(Place(), tmp_path),
    ):
        pass


def test_actors_without_ray_are_refused(focusgroup: Any, world: Path) -> None:
    ran = focusgroup("run", world / "scenario.yaml", "--actors", 2)
    assert ran.code == 2 and "add --ray" in ran.err


def test_nothing_imports_ray_unless_it_is_asked_for() -> None:
    code = "import sys, focusgroup.scenarios.cli; assert 'ray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
