"""Readable visits are chosen by the stated rule, whatever order they come in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from focusgroup.simulator.errors import FailureCause
from focusgroup.simulator.report import choose
from focusgroup.simulator.types import (
    Action,
    Click,
    Failure,
    Leave,
    LeaveReason,
    Response,
    Review,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    Turn,
)


def visit(user: str, clicks: int, reviews: int = 0, *, failed: bool = False) -> Session:
    actions: list[Action] = [Click(f"i{n}") for n in range(clicks)]
    actions += [Review(f"i{n}", "a film", True) for n in range(reviews)]
    actions.append(Leave(LeaveReason.BORED))
    slate = Slate(tuple(f"i{n}" for n in range(10)))
    turns = [Turn(0, slate, Response(tuple(actions), 0.5))]
    if failed:
        turns.append(Turn(1, slate, Failure(FailureCause.EMPTY, "no text")))
    end = SessionEnd.FAILED if failed else SessionEnd.LEFT
    return Session(SessionKey("a", "arm", user, 0), tuple(turns), end)


def chosen(*sessions: Session) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.session.key.user_id, one.reasons) for one in choose(sessions)]


def test_the_rule() -> None:
    assert chosen(
        visit("e", 9, failed=True),
        visit("d", 9),
        visit("c", 2),
        visit("b", 0, reviews=3),
        visit("a", 0, failed=True),
    ) == [("c", ("median clicks",)), ("b", ("most reviews",)), ("a", ("failed",))]


def test_one_visit_can_be_chosen_for_two_reasons_and_is_shown_once() -> None:
    assert chosen(visit("a", 1, reviews=1)) == [("a", ("median clicks", "most reviews"))]


def test_nothing_is_invented_where_nothing_happened() -> None:
    assert chosen() == []
    assert chosen(visit("a", 0)) == [("a", ("median clicks",))]
    assert chosen(visit("a", 3, failed=True)) == [("a", ("failed",))]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.booleans()), max_size=12),
    st.randoms(use_true_random=False),
)
def test_order_of_arrival_changes_nothing(
    rows: list[tuple[int, int, bool]], random: object
) -> None:
    sessions = [visit(f"u{n:02d}", c, r, failed=f) for n, (c, r, f) in enumerate(rows)]
    shuffled = list(sessions)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert chosen(*shuffled) == chosen(*sessions)
