"""What a user remembers in one arm."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from focusgroup.agents.memory import (
    FATIGUE_KEPT,
    Memory,
    Remembered,
    favourite_attributes,
    recall,
    remember,
)
from focusgroup.simulator.errors import FailureCause
from focusgroup.simulator.types import (
    Catalog,
    Click,
    Failure,
    Item,
    NextPage,
    Purchase,
    Rate,
    Response,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    Turn,
)

IDS = [f"i{n}" for n in range(6)]
CATALOG = Catalog(
    {i: Item(i, i.upper(), ("even" if n % 2 == 0 else "odd",)) for n, i in enumerate(IDS)}
)
FAILED = Failure(FailureCause.EMPTY, "nothing")


@st.composite
def outcomes(draw: st.DrawFn) -> Response | Failure:
    if draw(st.booleans()) and draw(st.booleans()):
        return FAILED
    actions: list[Click | Purchase | Rate] = []
    for item in draw(st.lists(st.sampled_from(IDS), unique=True)):
        actions.append(Click(item))
        if draw(st.booleans()):
            actions.append(Purchase(item, 1.0))
        if draw(st.booleans()):
            actions.append(Rate(item, float(draw(st.integers(1, 5)))))
    return Response((*actions, NextPage()), draw(st.floats(0, 1)))


def turns_of(outcomes: list[Response | Failure]) -> tuple[Turn, ...]:
    return tuple(Turn(n, Slate(tuple(IDS)), outcome) for n, outcome in enumerate(outcomes))


def session(turns: tuple[Turn, ...], round: int = 0) -> Session:
    return Session(SessionKey("a", "arm", "u", round), turns, SessionEnd.LIMIT)


visits = st.lists(outcomes(), max_size=4).map(turns_of)
pasts = st.lists(visits, max_size=4).map(
    lambda all_turns: tuple(session(turns, n) for n, turns in enumerate(all_turns))
)


@given(pasts, visits)
def test_what_is_felt_stays_between_nothing_and_all(
    past: tuple[Session, ...], turns: tuple[Turn, ...]
) -> None:
    memory = remember(past, turns)
    assert 0 <= memory.fatigue <= 1
    assert 0 <= memory.satisfaction <= 1
    assert 0 <= memory.satisfaction_before <= 1


@given(pasts, visits)
def test_a_longer_visit_only_adds_to_a_shorter_one(
    past: tuple[Session, ...], turns: tuple[Turn, ...]
) -> None:
    whole = remember(past, turns)
    for n in range(len(turns)):
        part = remember(past, turns[:n])
        assert whole.pages[: len(part.pages)] == part.pages
        assert whole.earlier == part.earlier
        assert whole.fatigue >= part.fatigue
        assert whole.shown >= part.shown
        assert (
            whole.satisfaction_before == part.satisfaction_before == remember(past, ()).satisfaction
        )


@given(pasts, visits)
def test_a_visit_that_is_over_becomes_the_past(
    past: tuple[Session, ...], turns: tuple[Turn, ...]
) -> None:
    during = remember(past, turns)
    after = remember((*past, session(turns, len(past))), ())
    picked = tuple(r for page in during.pages for r in page.picked)
    assert after.earlier == during.earlier + picked
    assert after.satisfaction == during.satisfaction
    assert after.pages == ()
    assert not after.shown
    assert after.pages_seen == during.pages_seen + len(during.pages)
    if during.pages:
        assert after.visits == during.visits + 1
        assert after.fatigue == during.fatigue * FATIGUE_KEPT


@given(pasts, visits)
def test_failed_turns_leave_no_trace(past: tuple[Session, ...], turns: tuple[Turn, ...]) -> None:
    def answered(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        return tuple(t for t in turns if isinstance(t.outcome, Response))

    clean = tuple(replace(s, turns=answered(s.turns)) for s in past if answered(s.turns))
    assert remember(past, turns) == remember(clean, answered(turns))
    failed = session((Turn(0, None, FAILED),), 99)
    assert remember((*past, failed), turns) == remember(past, turns)


def test_a_pick_is_remembered_with_its_stars_and_whether_it_was_bought() -> None:
    actions = (Click("i0"), Click("i1"), Purchase("i1", 2.0), Rate("i1", 4.0), NextPage())
    memory = remember((), turns_of([Response(actions, 0.5)]))
    assert memory.pages[0].picked == (Remembered("i0"), Remembered("i1", 4.0, True))
    assert memory.shown["i5"] == 1


def remembering(*ids: str) -> Memory:
    return replace(remember((), ()), earlier=tuple(Remembered(i) for i in ids))


def test_recalled_is_first_the_item_itself_then_its_like_then_the_newest() -> None:
    page = Slate(("i0", "i2"))
    memory = remembering("i1", "i4", "i2", "i3")
    assert [r.item_id for r in recall(memory, page, CATALOG)] == ["i2", "i4", "i3", "i1"]
    assert [r.item_id for r in recall(memory, page, CATALOG, limit=2)] == ["i2", "i4"]


def test_an_item_picked_twice_is_recalled_once_as_it_was_last() -> None:
    memory = replace(remembering(), earlier=(Remembered("i0", 2.0), Remembered("i0", 5.0)))
    assert recall(memory, Slate(("i0",)), CATALOG) == [Remembered("i0", 5.0)]


def test_what_the_catalogue_has_lost_is_not_recalled() -> None:
    memory = remembering("i0", "gone", "i1")
    assert {r.item_id for r in recall(memory, Slate(("i0",)), CATALOG)} == {"i0", "i1"}
    assert favourite_attributes(memory, CATALOG) == ["even", "odd"]
    assert favourite_attributes(remembering("i1", "i3", "i0"), CATALOG) == ["odd", "even"]
