"""The parts the behaviour model is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from focusgroup.agents.choice import Choice, sigmoid
from focusgroup.agents.features import CHOICE, RATING, FeatureSpace
from focusgroup.agents.stars import Stars
from focusgroup.simulator.types import Catalog, Item


def test_choice_recovers_the_truth_through_sampled_negatives() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200_000, 2)) * [1.0, 30.0] + [5.0, -100.0]
    truth = -9.0 + 1.0 * features[:, 0] + 0.02 * features[:, 1] + 2.0
    engaged = rng.random(len(truth)) < sigmoid(truth)
    for rate in (1.0, 0.1):
        kept = engaged | (rng.random(len(truth)) < rate)
        choice = Choice.fit(features[kept], engaged[kept], rate)
        assert choice.n == kept.sum()
        assert choice.n_positive == engaged.sum()
        assert np.abs(choice.log_odds(features) - truth).mean() < 0.1
        assert sigmoid(choice.log_odds(features)).mean() == pytest.approx(engaged.mean(), rel=0.05)


def test_each_stratum_of_negatives_is_undone_by_its_own_rate() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(300_000, 2))
    truth = -3.0 + 1.5 * features[:, 0] + 0.7 * features[:, 1]
    engaged = rng.random(len(truth)) < sigmoid(truth)
    rate = np.where(features[:, 0] > 0, 0.8, 0.05)  # what is popular is kept more often
    kept = engaged | (rng.random(len(truth)) < rate)
    choice = Choice.fit(features[kept], engaged[kept], rate[kept])
    assert np.abs(choice.log_odds(features) - truth).mean() < 0.05
    assert choice.negative_rate == pytest.approx(
        (~engaged & kept).sum() / (~engaged).sum(), rel=0.1
    )


def test_a_feature_that_never_varies_is_harmless() -> None:
    features = np.column_stack((np.ones(100), np.tile([0.0, 1.0], 50)))
    choice = Choice.fit(features, features[:, 1] > 0, 1.0)
    assert np.isfinite(choice.log_odds(features)).all()


@pytest.mark.parametrize("label", [True, False])
def test_choice_needs_both_kinds(label: bool) -> None:
    with pytest.raises(ValueError, match="both"):
        Choice.fit(np.ones((3, 1)), np.full(3, label), 1.0)


@given(arrays(np.float64, st.integers(0, 30), elements=st.floats(-1e300, 1e300)))
def test_a_sigmoid_is_a_probability(x: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    p = sigmoid(x)
    assert ((p >= 0) & (p <= 1)).all()
    assert np.allclose(p + sigmoid(-x), 1)


ratings = st.lists(st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.7, 3.0, 3.5, 4.0, 4.5, 5.0]), min_size=1)


@settings(max_examples=15)
@given(ratings, st.integers(0, 1000))
def test_stars_stay_on_the_scale_with_thresholds_in_order(stars: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(len(stars), 3))
    fitted = Stars.fit(features, np.array(stars))
    elsewhere = 100 * rng.normal(size=(20, 3))
    assert (np.diff(fitted.thresholds) >= 0).all()
    with np.errstate(over="ignore"):
        expected = fitted.expected(elsewhere)
        drawn = fitted.draw(elsewhere, rng.random(20))
    assert ((expected >= 1) & (expected <= 5)).all()
    assert set(drawn) <= {1.0, 2.0, 3.0, 4.0, 5.0}


@pytest.mark.parametrize("only", [1.0, 2.0, 3.0, 4.0, 5.0])
def test_a_log_that_knows_one_rating_expects_it(only: float) -> None:
    fitted = Stars.fit(np.zeros((500, 2)), np.full(500, only))
    assert fitted.expected(np.zeros((1, 2)))[0] == pytest.approx(only, abs=0.05)


def test_half_stars_keep_the_mean_and_the_spread() -> None:
    rng = np.random.default_rng(0)
    quality = rng.normal(size=4000)
    stars = np.clip(np.round(2 * (3.2 + 0.8 * quality + rng.normal(0, 0.7, 4000))) / 2, 1, 5)
    features = quality[:, None]
    fitted = Stars.fit(features, stars)
    drawn = fitted.draw(features, rng.random(4000))
    assert fitted.expected(features).mean() == pytest.approx(stars.mean(), abs=0.05)
    assert drawn.mean() == pytest.approx(stars.mean(), abs=0.07)
    assert drawn.std() == pytest.approx(stars.std(), abs=0.12)
    assert np.corrcoef(drawn, stars)[0, 1] > 0.4


def test_who_gives_a_wide_range_of_stars_goes_on_to() -> None:
    rng = np.random.default_rng(3)
    width = rng.choice([-0.5, 0.5], 6000)
    stars = np.clip(np.round(3 + np.exp(width) * rng.normal(0, 1.0, 6000)), 1, 5)
    features = np.column_stack((rng.normal(size=6000), width))
    fitted = Stars.fit(features, stars)
    drawn = fitted.draw(features, rng.random(6000))
    for kind in (-0.5, 0.5):
        mine = width == kind
        assert drawn[mine].std() == pytest.approx(stars[mine].std(), abs=0.08)
        assert (drawn[mine] == 5).mean() == pytest.approx((stars[mine] == 5).mean(), abs=0.03)
    assert drawn[width > 0].std() > 1.5 * drawn[width < 0].std()


def test_width_is_how_far_stars_spread_around_the_users_own_mean() -> None:
    rows = [
        (f"u{n}", item, "rate", float(stars))
        for n in range(40)
        for item, stars in zip(ITEMS, (2, 3, 3, 4), strict=True)
    ]
    space = space_of(rows, ITEMS)
    even, wild, high = (
        list(zip(ITEMS, s, strict=True)) for s in ((3,) * 4, (5, 1, 5, 1), (5,) * 4)
    )
    width = space.users([[]] * 4, [even, wild, high, []]).width
    assert width[1] > 0
    assert width[1] > width[0]
    assert width[2] < width[1]
    assert width[3] == 0


def space_of(rows: Sequence[Sequence[object]], catalog: Catalog) -> FeatureSpace:
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "event", "value"])
    return FeatureSpace.fit(log, catalog, seed=1)


ITEMS = Catalog(
    {
        "a1": Item("a1", "A1", ("war",), price=1.0),
        "a2": Item("a2", "A2", ("war",), price=2.0),
        "b1": Item("b1", "B1", ("love",), price=100.0),
        "b2": Item("b2", "B2", ("love",)),
    }
)
ROWS = [
    ("u", "a1", "rate", 5.0),
    ("u", "b1", "rate", 1.0),
    ("v", "a1", "rate", 5.0),
    ("w", "a1", "rate", 4.0),
    ("w", "gone", "rate", 4.0),
]


def test_what_the_columns_mean() -> None:
    space = space_of(ROWS, ITEMS)
    users = space.users([[("a1", 1.0)], []], [[("a1", 1.0)], []])
    rows, items = np.array([0, 0, 0, 0, 1]), np.array([0, 1, 2, 3, 0])
    choice = dict(zip(CHOICE, space.choice(users, rows, items).T, strict=True))
    rating = dict(zip(RATING, space.rating(users, rows, items).T, strict=True))
    # Of what the user has already, taste says nothing.
    assert choice["attributes"][0] == 0
    assert choice["attributes"][1] > 0 > choice["attributes"][2] == choice["attributes"][3]
    assert choice["attributes"][4] == 0
    assert choice["item_bias"][0] > 0 > choice["item_bias"][2]
    assert choice["popularity"][0] > choice["popularity"][2] > choice["popularity"][1]
    assert choice["owned"] == pytest.approx([1, 0, 0, 0, 0])
    assert choice["amount"] == pytest.approx([np.log(2), 0, 0, 0, 0])
    assert choice["price_fit"] == pytest.approx([0, -np.log(2), -np.log(100), 0, 0])
    assert choice["activity"][0] > choice["activity"][4] == 0
    assert rating["user_bias"][0] < 0 == rating["user_bias"][4]


def test_popularity_is_a_share_whatever_the_number_of_users() -> None:
    many = [(f"{user}{n}", *rest) for n in range(50) for user, *rest in ROWS]
    few, lots = space_of(ROWS, ITEMS), space_of(many, ITEMS)
    assert few.popularity[0] == pytest.approx(lots.popularity[0], abs=0.15)


def test_one_user_one_item_and_an_empty_log() -> None:
    one = Catalog({"a1": ITEMS["a1"]})
    for rows in (ROWS[:1], []):
        space = space_of(rows, one)
        users = space.users([[("a1", 1.0)]], [[]])
        assert np.isfinite(space.choice(users, np.array([0]), np.array([0]))).all()
