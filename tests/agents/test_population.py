"""Sampled users: like the log's, but none of them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from focusgroup.agents import sample_population
from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import Catalog, Item

Town = tuple[pd.DataFrame, pd.DataFrame]  # a log and its users


@pytest.fixture(scope="module")
def town(films: Any) -> Town:
    """The planted log, where the city a user lives in goes with the genre loved."""
    users = pd.DataFrame(
        [(user, f"{genre} city", "") for user, genre in films.loves.items()],
        columns=["user_id", "city", "age"],
    )
    return films.history, users


def sampled(town: Town, world: Any, *, n: int, seed: int) -> Town:
    log, users = town
    return sample_population(log, users, world.catalog, n=n, seed=seed)


def share_loved(log: pd.DataFrame, users: pd.DataFrame, catalog: Catalog) -> dict[str, float]:
    """City -> share of its users' choices that are of the genre it is named after."""
    cities = log["user_id"].map(users.set_index("user_id")["city"])
    genre = log["item_id"].map(lambda i: f"{catalog[i].attributes[0]} city")
    shares = (genre == cities).groupby(cities).mean()
    return {str(city): float(share) for city, share in shares.items()}


def test_demographics_and_tastes_still_go_together(films: Any, town: Town) -> None:
    log, users = sampled(town, films, n=150, seed=1)
    real = share_loved(town[0], town[1], films.catalog)
    new = share_loved(log, users, films.catalog)
    for city, share in real.items():
        assert share > 0.4
        assert new[city] == pytest.approx(share, abs=0.08)
    counts = (town[0].groupby("user_id").size(), log.groupby("user_id").size())
    assert counts[1].mean() == pytest.approx(counts[0].mean(), rel=0.1)
    assert counts[1].std() == pytest.approx(counts[0].std(), rel=0.25)
    assert log["value"].mean() == pytest.approx(town[0]["value"].mean(), abs=0.1)


def test_the_same_columns_new_ids_nobody_copied(films: Any, town: Town) -> None:
    log, users = sampled(town, films, n=40, seed=1)
    assert list(log.columns) == list(town[0].columns)
    assert list(users.columns) == list(town[1].columns)
    assert list(users["user_id"]) == [f"s{n:05d}" for n in range(40)]
    assert set(log["user_id"]) == set(users["user_id"])
    assert set(users["user_id"]).isdisjoint(films.loves)
    real = {frozenset(rows) for _, rows in town[0].groupby("user_id")["item_id"]}
    new = {frozenset(rows) for _, rows in log.groupby("user_id")["item_id"]}
    assert real.isdisjoint(new)
    assert (users["age"] == "").all()


def test_a_seed_repeats_and_another_does_not(films: Any, town: Town) -> None:
    first = sampled(town, films, n=10, seed=1)
    shuffled = town[0].sample(frac=1, random_state=0), town[1].sample(frac=1, random_state=0)
    again = sampled(shuffled, films, n=10, seed=1)
    other = sampled(town, films, n=10, seed=2)
    pd.testing.assert_frame_equal(first[0], again[0])
    pd.testing.assert_frame_equal(first[1], again[1])
    assert not first[0].equals(other[0])


def test_ids_stay_new_when_a_sampled_log_is_sampled_again(films: Any, town: Town) -> None:
    once = sampled(town, films, n=10, seed=1)
    twice = sampled(once, films, n=10, seed=1)
    assert set(once[0]["user_id"]).isdisjoint(twice[0]["user_id"])


def tiny(users: int) -> Town:
    log = pd.DataFrame(
        [(f"u{n}", f"i{n}", "click", 1.0, True, float("nan")) for n in range(users)],
        columns=["user_id", "item_id", "event", "value", "positive", "timestamp"],
    )
    return log, pd.DataFrame({"user_id": [f"u{n}" for n in range(users)]})


def test_histories_of_one_row_stay_and_attributes_are_not_needed() -> None:
    catalog = Catalog({f"i{n}": Item(f"i{n}", "thing") for n in range(2)})  # i2 has gone
    log, users = tiny(3)
    log, users = sample_population(log, users, catalog, n=20, seed=0)
    assert len(users) == log["user_id"].nunique() == 20


@pytest.mark.parametrize(("sources", "n"), [(0, 1), (1, 1), (3, 0)])
def test_too_little_to_sample_from(sources: int, n: int) -> None:
    log, users = tiny(sources)
    with pytest.raises(UserError, match="population: "):
        sample_population(log, users, Catalog({"i0": Item("i0", "thing")}), n=n, seed=0)
