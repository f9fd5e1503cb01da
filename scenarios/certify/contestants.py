"""The recommenders that simulated users have to rank: good ones, bad ones and near ties."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from focusgroup.recommenders import ItemIndex, make_recommender
from focusgroup.simulator import Recommender
from focusgroup.simulator.protocols import Trainable

from .ground import Ground
from .rated import RatedNeighbours, Ratings, SameForAll, rating_factors
from .taken import TakenNeighbours

Floats = NDArray[np.float64]

NEIGHBOURS, FEWER_NEIGHBOURS = 50, 10
FACTORS, FEWER_FACTORS = 32, 16
SHRINK = 5.0  # pseudo-ratings at the overall mean or variance


def line_up(ground: Ground) -> Mapping[str, Recommender]:
    """Recommenders fitted on `ground.training` only, by name.

    Each answers from a request's history alone. Where the log holds what was shown and rated, they
    use the ratings: popularity is the mean rating, neighbours and factors predict ratings.
    Elsewhere they use what was taken, and item_knn and als each have a near tie with other
    parameters.
    """
    domain = ground.dataset.domain
    if ground.fully_observed and domain.has_ratings:
        return _by_ratings(ground)
    return _by_what_was_taken(ground)


def _by_ratings(ground: Ground) -> Mapping[str, Recommender]:
    ratings = Ratings.of(ground.training, list(ground.catalog))
    means = ratings.item_means(SHRINK)
    neighbours = RatedNeighbours.fit(ratings, means)
    return {
        "random": _ours(ground, "random"),
        "popularity": SameForAll(ratings.index, means),
        "item_knn": neighbours,
        "mf": rating_factors(ratings, means),
        "knn_without_popularity": neighbours.without_popularity(),
        "content": _ours(ground, "content"),
        "controversial": SameForAll(ratings.index, ratings.item_variances(SHRINK)),
        "anti_popular": SameForAll(ratings.index, -means),
    }


def _by_what_was_taken(ground: Ground) -> Mapping[str, Recommender]:
    index = ItemIndex(tuple(ground.catalog))
    taken = _taken(ground, index)
    share = np.asarray(taken.mean(axis=0)).ravel()
    return {
        "random": _ours(ground, "random"),
        "popularity": _ours(ground, "popularity"),
        "item_knn": _ours(ground, "item_knn", neighbours=NEIGHBOURS),
        "item_knn_narrow": _ours(ground, "item_knn", neighbours=FEWER_NEIGHBOURS),
        "als": _ours(ground, "als", factors=FACTORS),
        "als_small": _ours(ground, "als", factors=FEWER_FACTORS),
        "knn_without_popularity": TakenNeighbours.fit(index, taken),
        "content": _ours(ground, "content"),
        "controversial": SameForAll(index, _controversy(ground, share)),
        "anti_popular": SameForAll(index, -share),
    }


def _ours(ground: Ground, name: str, **params: object) -> Recommender:
    made = make_recommender(name, params, seed=ground.seed)
    if isinstance(made, Trainable):
        made.fit(ground.training, items=ground.dataset.items)
    return made


def _taken(ground: Ground, index: ItemIndex) -> csr_matrix:
    """1 where a training user took an item, (users, items); to reject it is not to take it."""
    known = ground.training[ground.training["item_id"].isin(index.columns)]
    if ground.dataset.domain.has_negatives:
        known = known[known["positive"]]
    pairs = known[["user_id", "item_id"]].drop_duplicates()
    rows, names = pd.factorize(pairs["user_id"], sort=True)
    columns = pairs["item_id"].map(index.columns).to_numpy(np.int64)
    return csr_matrix((np.ones(len(pairs)), (rows, columns)), shape=(len(names), len(index)))


def _controversy(ground: Ground, share: Floats) -> Floats:
    """What divides people: variance of stars, or of having an item where nobody rates."""
    if not ground.dataset.domain.has_ratings:
        return np.asarray(share * (1 - share))
    return Ratings.of(ground.training, list(ground.catalog)).item_variances(SHRINK)
