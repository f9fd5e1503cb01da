"""Personas from a log."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pytest

from focusgroup.agents import (
    Level,
    Persona,
    PortraitStyle,
    Prompter,
    RatingHabit,
    load_language,
    personas_from_log,
)
from focusgroup.simulator.domain import Domain
from focusgroup.simulator.types import Catalog, Item

COLUMNS = ["user_id", "item_id", "event", "value", "positive", "timestamp"]


def rated(rows: Sequence[tuple[str, str, float]]) -> pd.DataFrame:
    return pd.DataFrame(
        [(u, i, "rate", v, v >= 3.5, float(t)) for t, (u, i, v) in enumerate(rows)],
        columns=COLUMNS,
    )


@pytest.fixture(scope="module")
def items() -> Catalog:
    """h0..h9 horror, c0..c9 comedy."""
    genres = {"h": "horror", "c": "comedy"}
    return Catalog(
        {
            f"{g}{n}": Item(f"{g}{n}", f"{name.title()} {n}", (name,), price=float(n + 1))
            for g, name in genres.items()
            for n in range(10)
        }
    )


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    """ann loved horror and ended with a comedy; the others prefer comedies."""
    rows = [("ann", f"h{n}", 5.0) for n in range(8)] + [("ann", "h9", 2.0), ("ann", "c1", 4.0)]
    for user, low in (("bob", 1.0), ("cid", 2.0), ("dan", 2.0), ("eve", 3.0), ("fay", 3.0)):
        rows += [(user, f"c{n}", 4.0) for n in range(8)] + [(user, "h0", low), (user, "h9", 4.0)]
    return rated(rows)


USERS = ("ann", "bob", "cid", "dan", "eve", "fay")


def test_tastes_are_what_sets_a_user_apart_not_what_came_last(
    log: pd.DataFrame, items: Catalog
) -> None:
    ann = personas_from_log(log, items, user_ids=USERS)["ann"]
    assert ann.tastes == ("horror",)
    assert ann.distastes == ("comedy",)
    assert ann.liked[0] == "Horror 0: horror"  # five stars where others gave one to three
    assert "Comedy 1: comedy" not in ann.liked
    assert ann.disliked == ("Horror 9: horror",)


def test_a_persona_names_no_more_than_its_style_allows(log: pd.DataFrame, items: Catalog) -> None:
    style = PortraitStyle(items=3, attributes=0)
    ann = personas_from_log(log, items, user_ids=["ann"], style=style)["ann"]
    assert len(ann.liked) == 3
    assert len(ann.disliked) == 1
    assert ann.tastes == ann.distastes == ()


def test_rating_habit_is_the_users_own_figures(log: pd.DataFrame, items: Catalog) -> None:
    habit = personas_from_log(log, items, user_ids=["ann"])["ann"].habit
    assert habit is not None
    assert habit.mean == pytest.approx(4.6)
    assert habit.spread == pytest.approx(0.9165, abs=1e-4)
    assert habit.low_share == pytest.approx(0.1)


def test_levels_are_thirds_of_all_users(items: Catalog) -> None:
    rows = [(f"u{n}", f"{'hc'[j % 2]}{j // 2}", 4.0) for n in range(9) for j in range(2 * n + 2)]
    users = [f"u{n}" for n in range(9)]
    found = personas_from_log(rated(rows), items, user_ids=users)
    assert [found[u].activity for u in users] == (
        [Level.LOW] * 3 + [Level.MEDIUM] * 3 + [Level.HIGH] * 3
    )


def test_who_rates_against_the_others_does_not_conform(items: Catalog) -> None:
    rows = [(f"u{n}", f"c{j}", 4.0) for n in range(6) for j in range(5)]
    rows += [("rebel", f"c{j}", 1.0) for j in range(5)] + [
        ("rebel", f"h{j}", 5.0) for j in range(9)
    ]
    found = personas_from_log(rated(rows), items, user_ids=["rebel", "u0"])
    assert found["rebel"].conformity is Level.LOW
    assert found["u0"].conformity is not Level.LOW


def test_price_level_and_habits_of_buyers(items: Catalog) -> None:
    rows = [
        (f"u{n}", f"c{j}", "purchase", 1.0, True, 0.0)
        for n in range(9)
        for j in range(n // 3 * 3, n // 3 * 3 + 3)
    ]
    rows += [("u0", "c0", "purchase", 40.0, True, t) for t in (1.0, 2.0, 3.0, 4.0)]
    users = [f"u{n}" for n in range(9)]
    found = personas_from_log(pd.DataFrame(rows, columns=COLUMNS), items, user_ids=users)
    assert [found[u].price_level for u in users] == (
        [Level.LOW] * 3 + [Level.MEDIUM] * 3 + [Level.HIGH] * 3
    )
    assert found["u0"].liked[0] == "Comedy 0: comedy"  # bought again and again
    assert found["u0"].habit is None


def test_clicks_do_not_spoil_what_ratings_say(log: pd.DataFrame, items: Catalog) -> None:
    clicks = pd.DataFrame(
        [("ann", f"c{n}", "click", 1.0, True, 0.0) for n in range(2, 5)], columns=COLUMNS
    )
    mixed = personas_from_log(pd.concat([log, clicks]), items, user_ids=["ann"])["ann"]
    assert mixed.liked[0] == "Horror 0: horror"
    assert mixed.habit == personas_from_log(log, items, user_ids=["ann"])["ann"].habit


def test_the_same_persona_whatever_the_order_of_the_rows(log: pd.DataFrame, items: Catalog) -> None:
    first = personas_from_log(log, items, user_ids=USERS)
    assert repr(first) == repr(personas_from_log(log, items, user_ids=USERS))
    for seed in range(3):
        shuffled = log.sample(frac=1, random_state=seed)
        assert repr(first) == repr(personas_from_log(shuffled, items, user_ids=USERS))


def test_a_user_without_history_is_empty_but_valid(log: pd.DataFrame, items: Catalog) -> None:
    users = pd.DataFrame({"user_id": ["new"], "age_group": ["19-24"], "income": [""]})
    new = personas_from_log(log, items, user_ids=["new"], users=users)["new"]
    assert new == Persona("new", demographics=(("age group", "19-24"),))
    assert new.segments() == {}
    empty = personas_from_log(log.iloc[:0], items, user_ids=["new"])["new"]
    assert empty == Persona("new")


def test_items_the_catalogue_lost_are_left_out(log: pd.DataFrame, items: Catalog) -> None:
    fewer = Catalog({i: item for i, item in items.items() if i != "h0"})
    ann = personas_from_log(log, fewer, user_ids=USERS)["ann"]
    assert len(ann.liked) == 6
    assert not any(line.startswith("Horror 0") for line in ann.liked)


FULL = Persona(
    "ann",
    liked=("Alien (1979): horror", "{0} {braces} %s"),
    disliked=("Cats",),
    tastes=("horror", "sci-fi"),
    distastes=("musical",),
    habit=RatingHabit(3.25, 1.0, 0.12),
    activity=Level.HIGH,
    conformity=Level.MEDIUM,
    diversity=Level.LOW,
    price_level=Level.LOW,
    demographics=(("age", "19-24"),),
    notes="Watches alone.\nAt night.",
)


def text(persona: Persona, language: str = "en") -> str:
    return Prompter(load_language(language), Domain("d")).persona(persona)


def test_a_full_persona_in_english() -> None:
    assert text(FULL) == (
        "The person:\n"
        "Liked: Alien (1979): horror; {0} {braces} %s.\n"
        "Disliked: Cats.\n"
        "Often chooses: horror, sci-fi.\n"
        "Seldom chooses: musical.\n"
        "Gives 3.2 stars on average; 12 of 100 ratings are one or two stars.\n"
        "Visits often.\n"
        "Keeps to a few kinds.\n"
        "Buys cheap.\n"
        "About the person: age 19-24.\n"
        "Watches alone. At night."
    )


def test_a_full_persona_in_chinese() -> None:
    lines = text(FULL, "zh").splitlines()
    assert lines[0] == "这个人:"
    assert lines[1] == "喜欢:Alien (1979): horror; {0} {braces} %s。"
    assert lines[3] == "常选:horror、sci-fi。"
    assert "平均给3.2星" in lines[5]
    assert len(lines) == 11


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_unknown_is_not_told(language: str) -> None:
    _heading, nothing = text(Persona("p"), language).splitlines()
    assert nothing == load_language(language).phrase("persona", "nobody")
    assert len(text(Persona("p", tastes=("war",)), language).splitlines()) == 2


def test_a_persona_has_a_segment_for_each_trait_that_is_known() -> None:
    assert FULL.segments() == {
        "activity": "high",
        "conformity": "medium",
        "diversity": "low",
        "price level": "low",
    }
