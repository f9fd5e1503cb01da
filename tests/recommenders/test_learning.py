"""What fit and partial_fit make of a log, and how they refuse a bad one."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focusgroup.recommenders import PopularityRecommender, make_recommender
from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import RecRequest

COLUMNS = ["user_id", "item_id", "event", "value", "positive", "timestamp"]
rows = st.lists(
    st.tuples(
        st.sampled_from(["u", "v"]),
        st.sampled_from(["a", "b", "c", "d", "é"]),
        st.sampled_from(["click", "purchase"]),
        st.sampled_from([1.0, 3.0]),
        st.booleans(),
        st.just(0.0),
    ),
    max_size=12,
)


def frame(data: list[tuple[str, str, str, float, bool, float]]) -> pd.DataFrame:
    return pd.DataFrame(data, columns=COLUMNS).astype({"value": float, "positive": bool})


@given(first=rows.filter(bool), second=rows, third=rows, listed=st.booleans())
@settings(max_examples=60)
def test_popularity_learns_in_parts_what_it_learns_at_once(first, second, third, listed) -> None:
    items = pd.DataFrame({"item_id": ["a", "b", "z"]}) if listed else None
    parts = PopularityRecommender().fit(frame(first), items=items)
    parts.partial_fit(frame(second)).partial_fit(frame(third))
    whole = PopularityRecommender().fit(frame(first + second + third), items=items)
    everything = [RecRequest("u", 9)]
    assert parts.recommend(everything) == whole.recommend(everything)


def test_popularity_counts_positive_rows() -> None:
    data = [("u", i, "click", 1.0, liked, 0.0) for i, liked in zip("aabbbc", "110001", strict=True)]
    log = frame([(u, i, e, v, p == "1", t) for u, i, e, v, p, t in data])
    (slate,) = PopularityRecommender().fit(log).recommend([RecRequest("u", 3)])
    assert slate.item_ids == ("a", "c", "b")
    assert slate.scores == (2.0, 1.0, 0.0)


@pytest.mark.parametrize("name", ["random", "popularity", "item_knn", "als", "bpr", "content"])
def test_only_items_of_the_table_are_shown(name, fresh, world) -> None:
    listed = world.items[world.items["item_id"] != "cat03"]
    recommender = fresh(name).fit(world.interactions, items=listed)
    (slate,) = recommender.recommend([RecRequest("u", len(world.ids))])
    assert set(slate.item_ids) == set(listed["item_id"])


@pytest.mark.parametrize("name", ["random", "popularity", "item_knn", "als", "bpr"])
def test_without_a_table_the_log_is_the_catalogue(name, fresh, world) -> None:
    (slate,) = fresh(name).fit(world.interactions).recommend([RecRequest("u", 99)])
    assert set(slate.item_ids) == {*world.cats, *world.trains}


@pytest.mark.parametrize("name", ["random", "popularity", "item_knn", "als", "bpr", "content"])
def test_a_log_without_a_column_is_refused(name, fresh, world) -> None:
    with pytest.raises(UserError, match="lack the column 'positive'; found: user_id"):
        fresh(name).fit(world.interactions.drop(columns="positive"), items=world.items)
    text = world.interactions.assign(positive="yes")
    with pytest.raises(UserError, match="must be of dtype bool"):
        fresh(name).fit(text, items=world.items)


@pytest.mark.parametrize("name", ["item_knn", "als", "bpr"])
def test_a_log_without_engagement_is_refused(name, fresh, world) -> None:
    with pytest.raises(UserError, match="nothing to learn from"):
        fresh(name).fit(world.interactions.assign(positive=False), items=world.items)


def test_bad_tables_of_items_are_refused(world) -> None:
    popularity = make_recommender("popularity")
    with pytest.raises(UserError, match="there are no items"):
        popularity.fit(world.interactions, items=world.items.iloc[:0])
    with pytest.raises(UserError, match="more than once"):
        popularity.fit(world.interactions, items=pd.concat([world.items, world.items]))


def test_training_that_diverges_says_what_to_change(world) -> None:
    bpr = make_recommender("bpr", {"learning_rate": 1e12, "iterations": 20})
    with pytest.raises(UserError, match="lower 'learning_rate'"):
        bpr.fit(world.interactions, items=world.items)


def test_an_unknown_quantity_counts_as_one(world) -> None:
    log = world.interactions.assign(event="purchase")
    ones, unknown = (
        make_recommender("item_knn").fit(log.assign(value=value), items=world.items)
        for value in (1.0, float("nan"))
    )
    everyone = [RecRequest("u", 10)]
    assert ones.recommend(everyone) == unknown.recommend(everyone)


@pytest.mark.parametrize("name", ["als", "bpr", "item_knn"])
def test_training_is_quiet(name, fresh, world, capfd) -> None:
    fresh(name).fit(world.interactions, items=world.items)
    assert capfd.readouterr() == ("", "")
