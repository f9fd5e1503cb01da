"""A round of some users is part of the round of all; what a session needs is made as it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from focusgroup.simulator.round import LARGEST_PART, Audience, run_round
from focusgroup.simulator.session import Rules
from focusgroup.simulator.store import MemoryStore, ParquetStore, Stored
from focusgroup.simulator.types import Catalog, Interaction, SessionEnd, SessionKey

Make = Callable[..., Any]
USERS = [f"u{n}" for n in range(20)]
RULES = Rules(k=5, max_pages=3)


def run(audience: Audience, arms: dict[str, Any], catalog: Catalog, **options: Any) -> int:
    return asyncio.run(
        run_round(audience, 0, arms=arms, catalog=catalog, rules=RULES, seed=4, **options)
    )


@pytest.mark.parametrize("shards", [1, 3, 20])
def test_shards_of_users_give_the_sessions_of_all(
    tmp_path: Path, catalog: Catalog, in_order: Make, coin_flip: Make, shards: int
) -> None:
    arms = {"a": in_order(catalog), "b": in_order(catalog, 7)}
    audience = Audience("all", coin_flip(), USERS, lambda _: ())
    whole = MemoryStore()
    assert run(audience, arms, catalog, store=whole) == 40
    store = ParquetStore(tmp_path)
    for n in range(shards):
        run(replace(audience, user_ids=USERS[n::shards]), arms, catalog, store=store)
    assert ParquetStore(tmp_path, writing=False).sessions() == whole.sessions()


def test_a_history_is_made_when_its_user_comes_once_for_all_arms(
    catalog: Catalog, in_order: Make, coin_flip: Make
) -> None:
    events: list[str] = []

    def history(user: str) -> tuple[Interaction, ...]:
        events.append(f"history {user}")
        return ()

    run(
        Audience("all", coin_flip(), USERS[:3], history),
        {"a": in_order(catalog), "b": in_order(catalog)},
        catalog,
        store=MemoryStore(),
        concurrency=1,
        on_session_end=lambda s: events.append(f"{s.key.arm} {s.key.user_id}"),
    )
    assert events == [e for u in USERS[:3] for e in (f"history {u}", f"a {u}", f"b {u}")]


def test_what_is_finished_is_not_run_again_unless_it_failed(
    catalog: Catalog, in_order: Make, coin_flip: Make
) -> None:
    finished = {
        SessionKey("all", "a", "u0", 0): Stored(0, SessionEnd.LEFT),
        SessionKey("all", "a", "u1", 0): Stored(2, SessionEnd.FAILED),
    }
    audience = Audience("all", coin_flip(), USERS[:3], lambda _: ())
    for retry, expected in ((False, {"u2": 0}), (True, {"u1": 3, "u2": 0})):
        store = MemoryStore()
        run(
            audience, {"a": in_order(catalog)}, catalog,
            store=store, finished=finished, retry_failed=retry,
        )  # fmt: skip
        assert {s.key.user_id: s.attempt for s in store.sessions()} == expected


def test_parts_grow_with_the_round_and_are_bounded(
    catalog: Catalog, in_order: Make, coin_flip: Make
) -> None:
    class Noting(MemoryStore):
        sizes: list[int] = []  # noqa: RUF012

        def append(self, sessions: Any) -> None:
            self.sizes.append(len(sessions))
            super().append(sessions)

    store = Noting()
    users = [f"u{n}" for n in range(1600)]
    audience = Audience("all", coin_flip(), users, lambda _: ())
    assert run(audience, {"a": in_order(catalog)}, catalog, store=store) == 1600
    assert store.sizes == [16, 16, 32, 64, 128, 256, LARGEST_PART, LARGEST_PART, 64]
