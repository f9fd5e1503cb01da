"""What is learned from calibration users, in a world whose tastes were planted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata

from focusgroup.agents import Assumed, BehaviourModel, StatisticalUser, fit_behaviour, pairs
from focusgroup.agents.choice import sigmoid
from focusgroup.agents.folded import FoldedUsers
from focusgroup.agents.memory import remember
from focusgroup.simulator.domain import Domain
from focusgroup.simulator.errors import UserError
from focusgroup.simulator.noise import Noise
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import (
    Catalog,
    Click,
    Item,
    Leave,
    NextPage,
    Slate,
)

GENRES = ("drama", "comedy", "horror", "western")  # in the planted order
LEVEL = Assumed(slot=0.0, fatigue=0.0)  # what no log identifies, switched off


def unseen(world: Any, user: str) -> tuple[str, ...]:
    had = set(world.history.loc[world.history["user_id"] == user, "item_id"])
    return tuple(i for i in world.catalog if i not in had)


def engagement(world: Any, model: BehaviourModel) -> dict[str, tuple[list[float], NDArray[Any]]]:
    """Of each audience user: P(engage) with each item the user had not, and what happened."""
    users = StatisticalUser(replace(model, assumed=LEVEL), world.interactions)
    slates = [Slate(unseen(world, user)) for user in world.audience]
    visits = [
        Visit(user, "a", 0, 0, (), (), world.catalog, Noise(0, user, 0)) for user in world.audience
    ]
    later = world.held_out.groupby("user_id")["item_id"].agg(set)
    found = {}
    for slate, visit, response in zip(
        slates, visits, users.respond_many(slates, visits), strict=True
    ):
        assert response.odds is not None
        prices = world.domain.has_prices
        chance = [odds.purchase if prices else odds.click for odds in response.odds]
        truth = later.get(visit.user_id, set())
        found[visit.user_id] = (chance, np.array([i in truth for i in slate.item_ids]))
    return found


def auc(scores: Mapping[str, tuple[Any, NDArray[Any]]]) -> float:
    """Mean within-user area under the curve (Mann-Whitney)."""
    areas = []
    for p, y in scores.values():
        if wins := int(y.sum()):
            ranks = rankdata(p)[y].sum() - wins * (wins + 1) / 2
            areas.append(ranks / (wins * (len(y) - wins)))
    return float(np.mean(areas))


@pytest.mark.parametrize("name", ["film", "shop"])
def test_strangers_later_choices_are_ranked_above_chance_and_popularity(
    request: pytest.FixtureRequest, name: str
) -> None:
    world = request.getfixturevalue({"film": "films", "shop": "shop"}[name])
    model = request.getfixturevalue(f"{name}_model")
    learned = engagement(world, model)
    of_calibration = world.history[world.history["user_id"].isin(world.calibration)]
    popular = of_calibration["item_id"].value_counts()
    popularity = {
        user: (popular.reindex(unseen(world, user)).fillna(0), truth)
        for user, (_, truth) in learned.items()
    }
    assert auc(learned) > 0.75
    assert auc(learned) > auc(popularity) + 0.1
    assert auc(popularity) > 0.55


@pytest.mark.parametrize("name", ["film", "shop"])
def test_predicted_rates_are_the_real_ones(request: pytest.FixtureRequest, name: str) -> None:
    world = request.getfixturevalue({"film": "films", "shop": "shop"}[name])
    found = engagement(world, request.getfixturevalue(f"{name}_model")).values()
    predicted = np.concatenate([chance for chance, _ in found])
    real = np.concatenate([truth for _, truth in found])
    assert predicted.mean() == pytest.approx(real.mean(), rel=0.1)
    # Also among those thought likely, and among those thought unlikely.
    for part in np.array_split(np.argsort(predicted), 3)[1:]:
        assert predicted[part].mean() == pytest.approx(real[part].mean(), rel=0.25)


def test_sampling_the_negatives_does_not_shift_the_rates(
    films: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "NEGATIVES_PER_POSITIVE", 1)
    monkeypatch.setattr(pairs, "ALL_OF", 0)
    model = films.fit()
    assert model.choice.negative_rate < 0.3
    found = engagement(films, model).values()
    predicted = np.concatenate([chance for chance, _ in found]).mean()
    assert predicted == pytest.approx(np.concatenate([y for _, y in found]).mean(), rel=0.1)


def test_taste_beats_popularity_where_popularity_misleads(
    films: Any, film_model: BehaviourModel
) -> None:
    popularity = film_model.space.popularity
    low, high = np.quantile(popularity, [1 / 3, 2 / 3])
    genre = np.array([item.attributes[0] for item in films.catalog.values()])
    shuns = {g: GENRES[(n + 1) % len(GENRES)] for n, g in enumerate(GENRES)}
    histories = [films.interactions(user) for user in films.audience]
    right = []
    for row, user in enumerate(films.audience):
        had = np.isin(list(films.catalog), [i.item_id for i in histories[row]])
        loved = np.flatnonzero((genre == films.loves[user]) & (popularity < low) & ~had)
        shunned = np.flatnonzero((genre == shuns[films.loves[user]]) & (popularity > high) & ~had)
        items = np.concatenate((loved, shunned))
        odds = film_model.judge(histories, np.full_like(items, row), items).log_odds
        right.append((odds[: len(loved), None] > odds[None, len(loved) :]).mean())
    assert np.nanmean(right) > 0.85


def test_probabilities_hold_for_the_popular_and_for_the_unpopular(
    films: Any, film_model: BehaviourModel
) -> None:
    found = engagement(films, film_model)
    position = film_model.space.index.position
    rows = [(unseen(films, user), *pair) for user, pair in found.items()]
    items = np.array([position[i] for ids, _, _ in rows for i in ids])
    predicted = np.concatenate([chance for _, chance, _ in rows])
    real = np.concatenate([truth for _, _, truth in rows])
    thirds = np.array_split(np.argsort(film_model.space.popularity[items], kind="stable"), 3)
    for third in thirds:
        assert predicted[third].mean() == pytest.approx(real[third].mean(), rel=0.2)
    bins = np.array_split(np.argsort(predicted, kind="stable"), 10)
    error = [abs(predicted[b].mean() - real[b].mean()) * len(b) for b in bins]
    assert sum(error) / len(predicted) < 0.02


def test_accuracy_is_told_among_equally_popular_items(film_model: BehaviourModel) -> None:
    assert 0.4 < film_model.popularity_auc < 0.6
    assert film_model.auc > 0.75


def test_stars_are_expected_from_what_the_user_rated(
    films: Any, film_model: BehaviourModel
) -> None:
    rows = films.held_out[films.held_out["user_id"].isin(films.audience)]
    row_of = {user: n for n, user in enumerate(films.audience)}
    users = rows["user_id"].map(row_of).to_numpy(dtype=np.int64)
    items = rows["item_id"].map(film_model.space.index.position).to_numpy(dtype=np.int64)
    histories = [films.interactions(user) for user in films.audience]
    given = rows["value"].to_numpy()
    expected = film_model.judge(histories, users, items).stars
    bias = film_model.space.users(
        [[] for _ in histories], [[(i.item_id, i.value) for i in h] for h in histories]
    ).bias
    plain = np.clip(
        film_model.space.mean_stars + film_model.space.item_bias[items] + bias[users], 1, 5
    )
    assert expected is not None
    assert ((expected - given) ** 2).mean() < 0.9 * ((plain - given) ** 2).mean()


def test_likes_follow_ratings_where_rejections_are_logged(films: Any) -> None:
    domain = replace(films.domain, has_negatives=True)
    model = fit_behaviour(
        films.history, films.held_out, films.calibration, films.catalog, domain, seed=1
    )
    rows = films.held_out[films.held_out["user_id"].isin(films.audience)]
    row_of = {user: n for n, user in enumerate(films.audience)}
    users = rows["user_id"].map(row_of).to_numpy(dtype=np.int64)
    items = rows["item_id"].map(model.space.index.position).to_numpy(dtype=np.int64)
    odds = model.judge([films.interactions(user) for user in films.audience], users, items).log_odds
    positive = rows["positive"].to_numpy(dtype=bool)
    scores = {
        user: (odds[users == user], positive[users == user])
        for user in np.unique(users)
        if 0 < positive[users == user].sum() < (users == user).sum()
    }
    means = {u: (model.space.item_bias[items[users == u]], y) for u, (_, y) in scores.items()}
    assert auc(scores) > auc(means) + 0.05
    assert sigmoid(odds).mean() == pytest.approx(positive.mean(), abs=0.05)


def test_where_rejections_are_logged_they_are_the_negatives(films: Any) -> None:
    domain = replace(films.domain, has_negatives=True)
    model = fit_behaviour(
        films.history, films.held_out, films.calibration, films.catalog, domain, seed=1
    )
    calibrating = films.held_out[films.held_out["user_id"].isin(films.calibration)]
    assert model.choice.negative_rate == 1.0
    assert model.choice.n == len(calibrating)
    assert model.choice.n_positive == calibrating["positive"].sum()


def test_only_calibration_users_are_learned_from(films: Any, film_model: BehaviourModel) -> None:
    mine = films.history["user_id"].isin(films.calibration)
    later = films.held_out["user_id"].isin(films.calibration)
    alone = fit_behaviour(
        films.history[mine],
        films.held_out[later],
        films.calibration,
        films.catalog,
        films.domain,
        seed=7,
    )
    assert np.array_equal(alone.choice.weights, film_model.choice.weights)
    assert np.array_equal(alone.space.item_bias, film_model.space.item_bias)
    assert alone.calibration_users == film_model.calibration_users == len(films.calibration)


def test_groceries_are_bought_again(shop: Any) -> None:
    again = shop.history.groupby("user_id").head(6)
    held_out = pd.concat([shop.held_out, again])
    model = fit_behaviour(
        shop.history, held_out, shop.calibration, shop.catalog, shop.domain, seed=1
    )
    user = shop.audience[0]
    owned = shop.interactions(user)[0].item_id
    users = StatisticalUser(model, shop.interactions)
    other = next(
        i
        for i in unseen(shop, user)
        if shop.catalog[i].attributes == shop.catalog[owned].attributes
    )
    visit = Visit(user, "a", 0, 0, (), (), shop.catalog, Noise(0, user, 0))
    odds = [users.respond_many([Slate((i,))], [visit])[0].odds for i in (owned, other)]
    assert odds[0] is not None
    assert odds[1] is not None
    assert odds[0][0].purchase > odds[1][0].purchase


def test_too_few_users_to_learn_from(films: Any) -> None:
    with pytest.raises(UserError, match="calibration: 4 calibration users have both"):
        fit_behaviour(
            films.history,
            films.held_out,
            films.calibration[:4],
            films.catalog,
            films.domain,
            seed=1,
        )


def test_nothing_to_tell_apart(films: Any) -> None:
    domain = replace(films.domain, has_negatives=True)
    liked = films.held_out[films.held_out["positive"]]
    with pytest.raises(UserError, match="no rejected or unseen item to learn from"):
        fit_behaviour(films.history, liked, films.calibration, films.catalog, domain, seed=1)


def test_a_log_of_clicks_without_ratings_prices_or_attributes(films: Any) -> None:
    bare = Catalog({i: Item(i, item.title) for i, item in films.catalog.items()})
    clicks = {"event": "click", "value": 1.0, "positive": True}
    domain = Domain("clicks")
    model = fit_behaviour(
        films.history.assign(**clicks),
        films.held_out.assign(**clicks),
        films.calibration,
        bare,
        domain,
        seed=1,
    )
    assert model.stars is None
    visit = Visit("u000", "a", 0, 0, (), (), bare, Noise(0, "u000", 0))
    users = FoldedUsers(model.space, films.interactions)
    (response,) = model.respond([Slate(tuple(bare)[:20])], [visit], [remember((), ())], users)
    assert response.odds is not None
    assert {(o.purchase, o.stars) for o in response.odds} == {(0.0, None)}
    assert {type(action) for action in response.actions} <= {Click, NextPage, Leave}
