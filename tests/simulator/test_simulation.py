"""The loop as a user of the library meets it: every session once, the same result every way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from focusgroup.simulator.errors import FailureCause, RunStopped, TurnFailed, UserError
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.round import Audience
from focusgroup.simulator.school import Retrain
from focusgroup.simulator.session import Rules
from focusgroup.simulator.simulation import RoundStart, Simulation
from focusgroup.simulator.store import MemoryStore, ParquetStore
from focusgroup.simulator.types import (
    Catalog,
    Failure,
    RecRequest,
    Response,
    Session,
    SessionEnd,
    Slate,
)

Make = Callable[..., Any]
USERS = [f"u{n}" for n in range(40)]


def _simulation(catalog: Catalog, arms: dict[str, Any], agent: Any, **options: Any) -> Simulation:
    audience = Audience("all", agent, USERS, lambda _: ())
    options.setdefault("rules", Rules(k=5, max_pages=4))
    return Simulation(arms=arms, audiences=[audience], catalog=catalog, **options)


def _run(simulation: Simulation, **options: Any) -> list[Session]:
    asyncio.run(simulation.run(**options))
    return simulation.store.sessions()


def test_every_user_meets_every_arm_once(catalog: Catalog, in_order: Make, coin_flip: Make) -> None:
    arms = {"a": in_order(catalog), "b": in_order(catalog, 10)}
    sessions = _run(_simulation(catalog, arms, coin_flip()))
    assert [(s.key.arm, s.key.user_id) for s in sessions] == [
        (arm, user) for arm in ("a", "b") for user in sorted(USERS)
    ]
    shown = [i for s in sessions[:1] for t in s.turns if t.slate for i in t.slate.item_ids]
    assert len(shown) == len(set(shown)) >= 5


def test_concurrency_batching_and_door_change_nothing(
    catalog: Catalog, in_order: Make, coin_flip: Make, waiting_coin_flip: Make
) -> None:
    runs = [
        _run(_simulation(catalog, {"a": in_order(catalog)}, agent, concurrency=concurrency))
        for agent in (coin_flip(), waiting_coin_flip())
        for concurrency in (1, 7, 256)
    ]
    assert all(run == runs[0] for run in runs)


def test_the_desk_answers_all_that_wait_in_one_call(
    catalog: Catalog, in_order: Make, coin_flip: Make
) -> None:
    arm = in_order(catalog)
    _run(_simulation(catalog, {"a": arm}, coin_flip(), concurrency=40))
    assert arm.batches[0] == 40


def test_same_item_meets_same_noise_in_both_arms(
    catalog: Catalog, in_order: Make, coin_flip: Make
) -> None:
    arms = {"a": in_order(catalog), "b": in_order(catalog)}
    sessions = _run(_simulation(catalog, arms, coin_flip()))
    by_arm = {arm: [s.turns for s in sessions if s.key.arm == arm] for arm in arms}
    assert by_arm["a"] == by_arm["b"]


class _Moody:
    """Fails for every third user, raises a plain exception for user u1."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def respond(self, slate: Slate, visit: Visit) -> Response:
        number = int(visit.user_id[1:])
        if visit.attempt == 0 and number % 3 == 0:
            raise TurnFailed(FailureCause.NOT_JSON, "no", ("key",))
        if number == 1:
            raise ZeroDivisionError("division by zero")
        return await self._inner.respond(slate, visit)  # type: ignore[no-any-return]


def test_failures_are_data_and_can_be_retried(
    catalog: Catalog, in_order: Make, waiting_coin_flip: Make
) -> None:
    store = MemoryStore()
    agent = _Moody(waiting_coin_flip())
    sessions = _run(_simulation(catalog, {"a": in_order(catalog)}, agent, store=store))
    failed = {s.key.user_id: s for s in sessions if s.end is SessionEnd.FAILED}
    assert len(failed) == 14 + 1 and len(sessions) == len(USERS)
    outcome = failed["u1"].turns[-1].outcome
    assert isinstance(outcome, Failure) and "ZeroDivisionError" in outcome.detail
    again = _simulation(catalog, {"a": in_order(catalog)}, agent, store=store)
    retried = _run(again, retry_failed=True)
    assert [s.key.user_id for s in retried if s.end is SessionEnd.FAILED] == ["u1"]
    assert len(retried) == len(USERS)


class _Broken:
    """Breaks the contract in a chosen way for user u7 only."""

    def __init__(self, inner: Any, how: str) -> None:
        self._inner, self._how = inner, how

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        if self._how == "raises" and any(r.user_id == "u7" for r in requests):
            raise KeyError("u7")
        slates: list[Slate] = self._inner.recommend(requests)
        wrong = {
            "unknown": Slate(("nope",)),
            "twice": Slate(("i01", "i01")),
            "long": Slate(tuple(f"i{n:02d}" for n in range(9))),
            "empty": Slate(()),
            "raises": Slate(()),
        }[self._how]
        return [wrong if r.user_id == "u7" else s for r, s in zip(requests, slates, strict=True)]


@pytest.mark.parametrize("how", ["unknown", "twice", "long", "empty", "raises"])
def test_a_broken_slate_fails_its_own_session_only(
    catalog: Catalog, in_order: Make, coin_flip: Make, how: str
) -> None:
    sound = _run(_simulation(catalog, {"a": in_order(catalog)}, coin_flip()))
    sessions = _run(_simulation(catalog, {"a": _Broken(in_order(catalog), how)}, coin_flip()))
    failed = [s for s in sessions if s.end is SessionEnd.FAILED]
    assert [s.key.user_id for s in failed] == ["u7"]
    outcome = failed[0].turns[0].outcome
    assert isinstance(outcome, Failure) and outcome.cause is FailureCause.RECOMMENDER
    assert [s for s in sessions if s.key.user_id != "u7"] == [
        s for s in sound if s.key.user_id != "u7"
    ]


class _Stops:
    """Stops the run at the nth page."""

    def __init__(self, inner: Any, after: int) -> None:
        self._inner, self._left = inner, after

    async def respond(self, slate: Slate, visit: Visit) -> Response:
        self._left -= 1
        if self._left < 0:
            raise RunStopped("budget spent")
        return await self._inner.respond(slate, visit)  # type: ignore[no-any-return]


@pytest.mark.parametrize("after", [0, 1, 37, 60])
def test_a_stopped_run_resumes_to_the_same_result(
    tmp_path: Path, catalog: Catalog, in_order: Make, waiting_coin_flip: Make, after: int
) -> None:
    arms = {"a": in_order(catalog), "b": in_order(catalog, 3)}
    whole = _run(_simulation(catalog, arms, waiting_coin_flip(), rounds=2))
    stopping = _Stops(waiting_coin_flip(), after)
    store = ParquetStore(tmp_path)
    with pytest.raises(RunStopped):
        _run(_simulation(catalog, arms, stopping, rounds=2, store=store, concurrency=4))
    assert len(store.sessions()) < len(whole)
    resumed = _simulation(
        catalog, arms, waiting_coin_flip(), rounds=2, store=ParquetStore(tmp_path)
    )
    assert _run(resumed) == whole


class _Learner:
    """Shows the items most often positive in what it was fitted on; remembers its lessons."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = list(ids)
        self.lessons: list[tuple[str, int]] = []
        self.counts: dict[str, int] = {}

    def fit(self, interactions: pd.DataFrame, *, items: Any = None, users: Any = None) -> Any:
        self.lessons.append(("fit", len(interactions)))
        self.counts = {}
        return self._count(interactions)

    def partial_fit(self, interactions: pd.DataFrame) -> Any:
        self.lessons.append(("partial_fit", len(interactions)))
        return self._count(interactions)

    def _count(self, interactions: pd.DataFrame) -> Any:
        for item in interactions["item_id"]:
            self.counts[item] = self.counts.get(item, 0) + 1
        return self

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        ranked = sorted(self.ids, key=lambda i: (-self.counts.get(i, 0), i))
        return [Slate(tuple([i for i in ranked if i not in r.exclude][: r.k])) for r in requests]


LOG = pd.DataFrame(
    {
        "user_id": ["x", "y"],
        "item_id": ["i20", "i21"],
        "event": "click",
        "value": 1.0,
        "positive": True,
        "timestamp": [1.0, 2.0],
    }
)


@pytest.mark.parametrize("retrain", list(Retrain))
def test_arms_learn_between_rounds_and_audiences_share_nothing(
    tmp_path: Path, catalog: Catalog, coin_flip: Make, retrain: Retrain
) -> None:
    def simulate(store: Any, audiences: Sequence[str]) -> tuple[list[Session], _Learner]:
        learner = _Learner(list(catalog))
        simulation = Simulation(
            arms={"a": learner},
            audiences=[Audience(n, coin_flip(), USERS[:9], lambda _: ()) for n in audiences],
            catalog=catalog,
            rules=Rules(k=5, max_pages=2),
            rounds=3,
            retrain=retrain,
            log=LOG,
            store=store,
        )
        return _run(simulation), learner

    both, learner = simulate(MemoryStore(), ("one", "two"))
    alone, _ = simulate(MemoryStore(), ("two",))
    assert [s for s in both if s.key.audience == "two"] == alone
    kinds = [kind for kind, _ in learner.lessons]
    assert learner.lessons[0] == ("fit", 2)
    expected = {
        Retrain.NONE: ["fit"],
        Retrain.FIT: ["fit"] * 6,
        Retrain.PARTIAL_FIT: ["fit", "partial_fit", "partial_fit"] * 2,
    }
    assert kinds == expected[retrain]
    # resumed after round 0 of the second audience: the same sessions
    store = ParquetStore(tmp_path)
    store.append([s for s in both if s.key.audience == "one" or s.key.round == 0])
    resumed, _ = simulate(store, ("one", "two"))
    assert resumed == both


def test_hooks_see_rounds_and_sessions_and_may_change_the_catalog(
    catalog: Catalog, in_order: Make, coin_flip: Make
) -> None:
    rounds: list[int] = []
    ended: list[Session] = []
    seen: set[int] = set()

    class Watcher(type(coin_flip())):  # type: ignore[misc]
        def answer(self, slate: Slate, visit: Visit) -> Response:
            seen.add(len(visit.catalog))
            return super().answer(slate, visit)  # type: ignore[no-any-return]

    def on_round_start(start: RoundStart) -> Catalog:
        rounds.append(start.round)
        return Catalog(dict(list(start.catalog.items())[: 20 - start.round]))

    arms = {"a": in_order(Catalog(dict(list(catalog.items())[:15])))}
    simulation = _simulation(
        catalog,
        arms,
        Watcher(),
        rounds=2,
        on_round_start=on_round_start,
        on_session_end=ended.append,
    )
    _run(simulation)
    assert rounds == [0, 1] and len(ended) == 80 and seen == {20, 19}


def test_page_larger_than_catalogue_is_refused(catalog: Catalog, coin_flip: Make) -> None:
    with pytest.raises(UserError, match="pages of 31 items, but the catalogue has 30"):
        _simulation(catalog, {}, coin_flip(), rules=Rules(k=31))


class _Recording:
    """Counts answers and keeps the requests."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.answers = inner, 0
        self.requests: list[RecRequest] = []

    def recommend(self, requests: Sequence[RecRequest]) -> Any:
        self.requests += requests
        return self.inner.recommend(requests)

    def respond_many(self, slates: Sequence[Slate], visits: Sequence[Visit]) -> Any:
        self.answers += len(slates)
        return self.inner.respond_many(slates, visits)


def test_a_finished_run_asks_nobody_again(
    tmp_path: Path, catalog: Catalog, in_order: Make, coin_flip: Make
) -> None:
    arm, agent = _Recording(in_order(catalog)), _Recording(coin_flip())
    for _ in range(2):
        store = ParquetStore(tmp_path)
        _run(_simulation(catalog, {"a": arm}, agent, store=store, rounds=2))
        if agent.answers:
            first = (agent.answers, len(arm.requests))
    assert (agent.answers, len(arm.requests)) == first
    stored = [key for path in tmp_path.iterdir() for key in _keys_in(path)]
    assert len(stored) == len(set(stored)) == 80


def _keys_in(path: Path) -> set[tuple[object, ...]]:
    frame = pd.read_parquet(path)
    return set(zip(frame["arm"], frame["user_id"], frame["round"], strict=True))


def test_no_seed_depends_on_the_arm(catalog: Catalog, in_order: Make, coin_flip: Make) -> None:
    arms = {name: _Recording(in_order(catalog)) for name in ("a", "b")}
    _run(_simulation(catalog, arms, coin_flip()))
    seen = [{(r.user_id, r.context["page"]): r.seed for r in arm.requests} for arm in arms.values()]
    assert seen[0] == seen[1] and len(set(seen[0].values())) == len(seen[0])


def test_an_arm_learns_from_its_own_sessions_only(
    catalog: Catalog, in_order: Make, coin_flip: Make
) -> None:
    class Fixed(_Learner):
        def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
            return [Slate(tuple(self.ids[: r.k])) for r in requests]

        def _count(self, interactions: pd.DataFrame) -> Any:
            self.counts = dict.fromkeys(interactions["item_id"], 1)
            return self

    ids = list(catalog)
    arms = {"head": Fixed(ids[:5]), "tail": Fixed(ids[-5:])}
    rules = Rules(k=5, max_pages=1, exclude_history=False)
    _run(_simulation(catalog, arms, coin_flip(), rounds=2, log=LOG, rules=rules))
    assert set(arms["head"].counts) - {"i20", "i21"} <= set(ids[:5])
    assert set(arms["tail"].counts) - {"i20", "i21"} <= set(ids[-5:])
    assert all(len(arm.counts) > 2 for arm in arms.values())


@pytest.mark.parametrize(
    "wrong", [["i01"], None, Slate(["i01"]), Slate((1,)), Slate(("i01",), propensities=(2.0,))]
)
def test_what_is_no_slate_fails_the_session_and_says_so(
    catalog: Catalog, coin_flip: Make, wrong: Any
) -> None:
    class Wrong:
        def recommend(self, requests: Sequence[RecRequest]) -> list[Any]:
            return [wrong] * len(requests)

    sessions = _run(_simulation(catalog, {"a": Wrong()}, coin_flip()))
    outcomes = [s.turns[0].outcome for s in sessions]
    assert all(isinstance(o, Failure) and o.cause is FailureCause.RECOMMENDER for o in outcomes)


def test_a_round_others_followed_from_cannot_be_retried(
    catalog: Catalog, in_order: Make, waiting_coin_flip: Make
) -> None:
    store = MemoryStore()
    arms = {"a": in_order(catalog)}
    _run(_simulation(catalog, arms, _Moody(waiting_coin_flip()), store=store, rounds=2))
    with pytest.raises(UserError, match="cannot be retried"):
        _run(
            _simulation(catalog, arms, _Moody(waiting_coin_flip()), store=store, rounds=2),
            retry_failed=True,
        )


def test_a_reader_of_the_store_sweeps_nothing(tmp_path: Path) -> None:
    torn = tmp_path / "part-000000.tmp"
    torn.write_bytes(b"being written")
    assert ParquetStore(tmp_path, writing=False).sessions() == [] and torn.exists()
