"""A store tells what it holds, and what users did before, without all sessions in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focusgroup.simulator import past as past_module
from focusgroup.simulator.parts import Part
from focusgroup.simulator.store import MemoryStore, ParquetStore, Stored
from focusgroup.simulator.types import (
    Click,
    NextPage,
    Response,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    Turn,
)

NAMES = {"audience": ("one", "two"), "arm": ("a", "b"), "user": ("u0", "u1", "u2")}


def session(key: SessionKey, attempt: int = 0, pages: int = 1) -> Session:
    turns = tuple(
        Turn(n, Slate((f"i{n}",)), Response((Click(f"i{n}"), NextPage()), 0.5))
        for n in range(pages)
    )
    return Session(key, turns, SessionEnd.FAILED if attempt else SessionEnd.LIMIT, attempt)


keys = st.builds(
    SessionKey,
    st.sampled_from(NAMES["audience"]),
    st.sampled_from(NAMES["arm"]),
    st.sampled_from(NAMES["user"]),
    st.integers(0, 3),
)


@st.composite
def stored_parts(draw: st.DrawFn) -> list[list[Session]]:
    """Parts as they come about: attempts of a key follow each other, in any parts."""
    attempts: dict[SessionKey, int] = {}
    found: list[list[Session]] = []
    for part in draw(st.lists(st.lists(keys, max_size=6), max_size=5)):
        found.append([])
        for key in part:
            attempts[key] = attempts.get(key, -1) + 1
            found[-1].append(session(key, attempts[key], draw(st.integers(1, 3))))
    return found


@settings(max_examples=25)
@given(stored_parts())
def test_parts_on_disk_answer_as_memory_does(parts: list[list[Session]]) -> None:
    memory = MemoryStore()
    with tempfile.TemporaryDirectory() as folder:
        written = ParquetStore(Path(folder))
        for part in parts:
            memory.append(part)
            written.append(part)
        for disk in (written, ParquetStore(Path(folder), writing=False)):
            assert disk.sessions() == memory.sessions()
            assert disk.count() == memory.count()
            for audience in NAMES["audience"]:
                assert disk.last_round(audience) == memory.last_round(audience)
                for round_ in range(4):
                    assert disk.finished(audience, round_) == memory.finished(audience, round_)
                    of_round = {"audience": audience, "round": round_}
                    assert disk.sessions(**of_round) == memory.sessions(**of_round)
                    before = disk.past(audience, round_), memory.past(audience, round_)
                    for user in (*NAMES["user"], "stranger"):
                        for arm in NAMES["arm"]:
                            assert before[0](user, arm) == before[1](user, arm)


def test_past_is_the_same_when_few_parts_fit_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ParquetStore(tmp_path)
    for round_ in range(3):
        for user in NAMES["user"]:
            store.append([session(SessionKey("one", "a", user, round_), pages=2)])
    expected = [store.past("one", 3)(user, "a") for user in NAMES["user"]]
    assert [len(sessions) for sessions in expected] == [3, 3, 3]
    monkeypatch.setattr(past_module, "MEMORY", 1)
    past = store.past("one", 3)
    for _ in range(2):
        assert [past(user, "a") for user in NAMES["user"]] == expected


def test_what_is_finished_is_known_without_reading_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = SessionKey("one", "a", "u0", 0)
    ParquetStore(tmp_path).append([session(key)])
    monkeypatch.setattr(Part, "sessions", lambda _: pytest.fail("read"))
    monkeypatch.setattr(Part, "table", lambda _: pytest.fail("read"))
    store = ParquetStore(tmp_path)
    assert store.finished("one", 0) == {key: Stored(0, SessionEnd.LIMIT)}
    assert (store.finished("one", 1), store.count(), store.last_round("two")) == ({}, 1, -1)


def test_a_reader_sees_the_parts_that_came_since(tmp_path: Path) -> None:
    one, two = (SessionKey("one", "a", user, 0) for user in ("u0", "u1"))
    ParquetStore(tmp_path).append([session(one)])
    reader = ParquetStore(tmp_path, writing=False)
    assert [s.key for s in reader.sessions()] == [one]
    ParquetStore(tmp_path).append([session(two)])
    assert [s.key for s in reader.sessions()] == [one, two]
    assert _names(tmp_path) == ["part-000000.parquet", "part-000001.parquet"]


def _names(folder: Path) -> Sequence[str]:
    return sorted(path.name for path in folder.iterdir())
