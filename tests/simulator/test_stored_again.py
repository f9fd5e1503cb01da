"""What is stored once stays, whatever came before it: gaps, retries, errors, little memory."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from focusgroup.simulator import past as past_module
from focusgroup.simulator.errors import RunStopped
from focusgroup.simulator.parts import Part
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.round import Audience, run_round
from focusgroup.simulator.session import Rules
from focusgroup.simulator.simulation import Simulation
from focusgroup.simulator.store import MemoryStore, ParquetStore
from focusgroup.simulator.types import (
    Catalog,
    Click,
    NextPage,
    Response,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    Turn,
)
from focusgroup.simulator.whole_file import whole_file

Make = Callable[..., Any]
RULES = Rules(k=5, max_pages=3)


def session(user: str, attempt: int = 0, *, round_: int = 0) -> Session:
    turn = Turn(0, Slate(("a",)), Response((Click("a"), NextPage()), 0.5))
    return Session(SessionKey("all", "arm", user, round_), (turn,), SessionEnd.LIMIT, attempt)


def test_a_part_that_was_deleted_leaves_a_gap_and_no_other_is_written_over(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    for user in "abc":
        store.append([session(user)])
    (tmp_path / "part-000000.parquet").unlink()  # as the message about a damaged part says
    ParquetStore(tmp_path).append([session("d")])
    assert [s.key.user_id for s in ParquetStore(tmp_path).sessions()] == ["b", "c", "d"]


def test_a_scan_meets_each_session_once_at_its_latest_attempt(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.append([session("a", 2), session("b")])
    store.append([session("a"), session("a", 1), session("c")])  # in whatever order they came
    met = sorted((s.key.user_id, s.attempt) for s in store.scan())
    assert met == [("a", 2), ("b", 0), ("c", 0)]


def test_what_is_closed_makes_room_for_what_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ParquetStore(tmp_path)
    for user in "abc":
        store.append([session(user)])
    read: list[str] = []
    table = Part.table
    room = 0

    def reading(part: Part) -> Any:
        nonlocal room
        found = table(part)
        read.append(part.path.stem[-1])
        room = max(room, found.nbytes)
        return found

    monkeypatch.setattr(Part, "table", reading)
    past = store.past("all", 1)
    past("a", "arm")
    monkeypatch.setattr(past_module, "MEMORY", 2 * room)
    for user in "bcbcbc":
        assert len(past(user, "arm")) == 1
    assert read == ["0", "1", "2"]


def test_a_file_is_synced_before_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def syncing(descriptor: int) -> None:
        inside = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append("folder" if inside else "file")
        fsync(descriptor)

    def renaming(path: Path, target: Path) -> Path:
        done.append("name")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "replace", renaming)
    with whole_file(tmp_path / "new") as file:
        file.write(b"whole")
    assert done == ["file", "name", "folder"]


def test_sessions_that_ended_before_an_error_are_stored(
    catalog: Catalog, in_order: Make, coin_flip: Make
) -> None:
    store, ended = MemoryStore(), 0

    def count(_: Session) -> None:
        nonlocal ended
        ended += 1
        if ended == 7:
            raise RunStopped("enough")

    audience = Audience("all", coin_flip(), [f"u{n}" for n in range(20)], lambda _: ())
    with pytest.raises(RunStopped, match="enough"):
        asyncio.run(
            run_round(
                audience, 0, arms={"a": in_order(catalog)}, catalog=catalog, rules=RULES, seed=4,
                store=store, concurrency=1, on_session_end=count,
            )
        )  # fmt: skip
    assert store.count() == 7


def test_an_audience_has_no_more_sessions_at_once_than_it_allows(
    catalog: Catalog, in_order: Make, waiting_coin_flip: Make
) -> None:
    coin, inside, most = waiting_coin_flip(), 0, 0

    class Watched:
        async def respond(self, slate: Slate, visit: Visit) -> Response:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1
            answered: Response = await coin.respond(slate, visit)
            return answered

    users = [f"u{n}" for n in range(20)]
    for allowed, expected in ((3, 3), (None, 8)):
        most = 0
        asyncio.run(
            run_round(
                Audience("all", Watched(), users, lambda _: (), allowed), 0,
                arms={"a": in_order(catalog)}, catalog=catalog, rules=RULES, seed=4,
                store=MemoryStore(), concurrency=8,
            )
        )  # fmt: skip
        assert most == expected


def test_every_round_knows_all_rounds_before_it(
    catalog: Catalog, in_order: Make, coin_flip: Make
) -> None:
    coin, known = coin_flip(), set()

    class Noting:
        async def respond(self, slate: Slate, visit: Visit) -> Response:
            known.add((visit.round, tuple(s.key.round for s in visit.past)))
            answered: Response = coin.answer(slate, visit)
            return answered

    simulation = Simulation(
        arms={"a": in_order(catalog)},
        audiences=[Audience("all", Noting(), ["u0", "u1"], lambda _: ())],
        catalog=catalog,
        rules=RULES,
        rounds=3,
    )
    asyncio.run(simulation.run())
    assert known == {(0, ()), (1, (0,)), (2, (0, 1))}
