"""People who differ in how they choose and rate, whatever the items are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from focusgroup.agents import fit_behaviour
from focusgroup.agents.choice import sigmoid
from focusgroup.agents.manner import level, over, scale_use, slope, steadiness
from focusgroup.agents.stars import Stars
from focusgroup.simulator.domain import Domain
from focusgroup.simulator.types import Catalog, Event, Interaction, Item

Floats = NDArray[np.float64]


def rated(users: int, items: int, differ: float, seed: int) -> tuple[sp.csr_matrix, Floats, Floats]:
    """Ratings with noise of 1 and a slope for each user; (ratings, slopes, what they go with)."""
    rng = np.random.default_rng(seed)
    of_item, slopes = rng.normal(size=items), rng.normal(0, differ, users)
    above = (
        slopes[:, None] * of_item + rng.normal(size=(users, items)) + rng.normal(size=(users, 1))
    )
    return sp.csr_matrix(above), slopes, of_item


def test_slopes_are_shrunk_as_they_deserve() -> None:
    above, slopes, of_item = rated(2000, 30, 0.5, 0)
    given = sp.csr_matrix(np.ones(above.shape))
    steady = steadiness(above, given, of_item)
    assert steady == pytest.approx(1 / 0.5**2, rel=0.15)
    together, own = slope(above, given, of_item)

    def error(shrink: float) -> float:
        return float((((together / (own + shrink)) - slopes) ** 2).mean())

    assert error(steady) < min(error(0.0), error(10 * steady))


def test_where_slopes_do_not_differ_they_are_hardly_believed() -> None:
    above, _, of_item = rated(2000, 30, 0.0, 1)
    given = sp.csr_matrix(np.ones(above.shape))
    assert steadiness(above, given, of_item) > 100


def test_use_of_the_scale_counts_halves_and_starts_at_nothing() -> None:
    usual = np.array([0.9, 0.7, 0.4, 0.1])
    nobody, fives, halves = scale_use([[], [("a", 5.0)] * 5, [("a", 3.5)] * 45], usual)
    assert (nobody == 0).all()
    assert fives == pytest.approx((1 - usual) / 2)
    assert halves == pytest.approx((np.array([1, 1, 0.5, 0]) - usual) * 0.9)
    assert over(np.array([0.5, 6.0])).tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]


def test_level_is_a_shrunk_mean() -> None:
    had = sp.csr_matrix(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    assert level(had, np.array([1.0, 3.0, 9.0])) == pytest.approx([4 / 7, 0.0])


def test_people_who_love_fives_and_people_who_never_give_any_stay_that_way() -> None:
    rng = np.random.default_rng(2)
    users, n = 600, 40
    cut = np.sort(rng.normal([-2.0, -0.7, 0.7, 2.0], 0.9, (users, 4)), axis=1)
    quality = rng.normal(size=(users, 2 * n))
    latent = quality + rng.logistic(size=quality.shape)
    stars = 1.0 + (latent[:, :, None] > cut[:, None, :]).sum(axis=2)
    past = [[("a", float(value)) for value in own[:n]] for own in stars]
    use = scale_use(past, over(stars[:, :n].ravel()).mean(axis=0))
    features = np.column_stack((quality[:, n:].ravel(), np.repeat(use, n, axis=0)))
    learned, asked = slice(0, users // 2 * n), slice(users // 2 * n, None)
    later = stars[:, n:].ravel()

    def drawn(columns: Floats, habits: int) -> Floats:
        fitted = Stars.fit(columns[learned], later[learned], habits)
        return fitted.draw(columns[asked], rng.random(len(later[asked]))).reshape(-1, n)

    real, ours = later[asked].reshape(-1, n), drawn(features, 4)
    alike = drawn(np.column_stack((features[:, 0], np.zeros(len(later)))), 1)
    for stars_given in (3.0, 5.0):
        spread = (real == stars_given).mean(axis=1).std()
        assert (ours == stars_given).mean(axis=1).std() == pytest.approx(spread, rel=0.2)
        assert (alike == stars_given).mean(axis=1).std() < 0.7 * spread


def test_some_people_take_what_all_take_and_some_what_nobody_does() -> None:
    rng = np.random.default_rng(4)
    users, n = 500, 150
    appeal, fond = rng.normal(size=n), rng.normal(0, 0.8, users)
    chance = sigmoid(-1.2 + (0.6 + fond[:, None]) * appeal)
    rows = []
    for user in range(users):
        had = rng.permutation(np.flatnonzero(rng.random(n) < chance[user]))
        rows += [
            (f"u{user:03d}", f"i{item:03d}", float(when), when >= 0.5 * len(had))
            for when, item in enumerate(had)
        ]
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "late"])
    log = log.assign(event="click", value=1.0, positive=True)
    catalog = Catalog({f"i{item:03d}": Item(f"i{item:03d}", f"Item {item}") for item in range(n)})
    history, later = log[~log["late"]], log[log["late"]]
    names = sorted(set(log["user_id"]))
    calibration, audience = names[: users // 2], names[users // 2 :]
    model = fit_behaviour(history, later, calibration, catalog, Domain("planted clicks"), seed=1)

    position = {item: place for place, item in enumerate(catalog)}
    known = {str(user): list(items) for user, items in history.groupby("user_id")["item_id"]}
    truth = {str(user): set(items) for user, items in later.groupby("user_id")["item_id"]}
    people = [user for user in audience if user in known and user in truth]
    histories = [[Interaction(i, Event.CLICK, 1.0) for i in known[user]] for user in people]
    real, ours = [], []
    for row, user in enumerate(people):
        new = [item for item in catalog if item not in known[user]]
        places = np.array([position[item] for item in new], dtype=np.int64)
        odds = model.judge(histories, np.full(len(new), row), places).log_odds
        draw = rng.random(len(new)) < sigmoid(odds)
        took = np.array([item in truth[user] for item in new])
        if draw.any():
            ours.append(appeal[places][draw].mean())
            real.append(appeal[places][took].mean())
    assert np.std(ours) == pytest.approx(np.std(real), rel=0.2)
    assert np.corrcoef(ours, real)[0, 1] > 0.5
