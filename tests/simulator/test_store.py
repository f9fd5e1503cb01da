"""What is stored comes back equal, whole, and exactly once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.simulator.codec import from_table, to_table
from focusgroup.simulator.errors import FailureCause, UserError
from focusgroup.simulator.store import ParquetStore
from focusgroup.simulator.types import (
    Click,
    Failure,
    Leave,
    LeaveReason,
    NextPage,
    Opinion,
    Purchase,
    Rate,
    Remark,
    Response,
    Review,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    SlotOdds,
    Turn,
)

text = st.text(st.characters(codec="utf-8"))
ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
unit = st.floats(0, 1)
actions = st.one_of(
    st.builds(Click, ids),
    st.builds(Purchase, ids, st.floats(0, 1e6)),
    st.builds(Rate, ids, st.floats(1, 5)),
    st.builds(Remark, text),
    st.builds(Review, ids, text, st.booleans()),
)
slates = st.lists(ids, min_size=1, max_size=4, unique=True).flatmap(
    lambda i: st.builds(
        Slate,
        st.just(tuple(i)),
        st.none() | st.just(tuple(0.5 for _ in i)),
        st.none() | st.just(tuple(0.25 for _ in i)),
    )
)
responses = st.builds(
    Response,
    st.tuples(actions, st.sampled_from([NextPage(), Leave(LeaveReason.TIRED)])),
    unit,
    st.none() | st.tuples(st.builds(SlotOdds, unit, unit, st.none() | st.floats(1, 5))),
    st.none() | unit,
    st.none()
    | st.builds(
        Opinion,
        st.tuples(unit),
        st.tuples(st.none() | unit),
        text,
        st.just(()) | st.tuples(st.integers(1, 9)),
        st.just(()) | st.tuples(unit),
    ),
    st.tuples(ids),
)
failures = st.builds(Failure, st.sampled_from(FailureCause), text, st.tuples(ids))
sessions = st.builds(
    Session,
    st.builds(SessionKey, ids, ids, ids, st.integers(0, 9)),
    st.tuples(
        st.builds(Turn, st.just(0), slates, responses),
        st.builds(Turn, st.just(1), st.none() | slates, failures | responses),
    ),
    st.sampled_from(SessionEnd),
    st.integers(0, 3),
)


@given(st.lists(sessions, max_size=4, unique_by=lambda s: (s.key, s.attempt)))
def test_sessions_survive_the_round_trip(written: list[Session]) -> None:
    assert from_table(to_table(written)) == written


def test_sessions_stored_before_numbers_and_priors_were_kept_stay_readable(tmp_path: Path) -> None:
    opinion = Opinion((1.0, -1.0), (None, 4.0), "why")
    said = Response((Click("a"), NextPage()), 0.5, opinion=opinion)
    turns = (Turn(0, Slate(("a", "b")), said),)
    session = Session(SessionKey("all", "arm", "u", 0), turns, SessionEnd.LIMIT)
    table = to_table([session])
    old = [
        {name: value for name, value in struct.items() if name not in ("numbers", "prior")}
        for struct in table["opinion"].to_pylist()
    ]
    at = table.schema.get_field_index("opinion")
    pq.write_table(table.set_column(at, "opinion", pa.array(old)), tmp_path / "part-000000.parquet")
    assert ParquetStore(tmp_path).sessions() == [session]


def _session(user: str, attempt: int = 0) -> Session:
    turn = Turn(0, Slate(("a",)), Response((Click("a"), NextPage()), 0.5))
    return Session(SessionKey("all", "arm", user, 0), (turn,), SessionEnd.LIMIT, attempt)


def test_the_latest_attempt_wins_and_order_is_canonical(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path / "sessions")
    store.append([_session("b"), _session("a")])
    store.append([replace(_session("b"), attempt=1)])
    assert ParquetStore(tmp_path / "sessions").sessions() == [
        _session("a"),
        replace(_session("b"), attempt=1),
    ]


def test_a_torn_part_is_never_visible(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.append([_session("a")])
    (tmp_path / "part-000001.tmp").write_bytes(b"PAR1 half of a part")
    again = ParquetStore(tmp_path)
    again.append([_session("b")])
    assert [s.key.user_id for s in again.sessions()] == ["a", "b"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "part-000000.parquet",
        "part-000001.parquet",
    ]


def test_a_foreign_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "part-000000.parquet").write_bytes(b"not parquet")
    with pytest.raises(UserError, match=r"part-000000\.parquet: not a readable part"):
        ParquetStore(tmp_path).sessions()
