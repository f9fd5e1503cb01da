"""Fitting the behaviour model: on calibration users only, cross-fitted, negatives sampled.

What a calibration user engaged with in the held-out part of the log is to be predicted from the
user's history. Item statistics and taste factors for a user's rows come from the other folds, so
that they are as strange to the user as they will be to the audience.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from focusgroup.simulator.domain import Domain
from focusgroup.simulator.errors import UserError
from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.types import Catalog

from .assumed import Assumed
from .behaviour import BehaviourModel
from .choice import Choice
from .features import CHOICE, FeatureSpace, rated_histories, weighted_histories
from .stars import Stars

FOLDS = 5
NEGATIVES_PER_POSITIVE = 20
MAX_NEGATIVES = 150_000
REPEATS_FROM = 0.01  # share of held-out pairs already in a history, from which repeats are normal

Floats = NDArray[np.float64]


def fit_behaviour(
    history: pd.DataFrame,
    held_out: pd.DataFrame,
    user_ids: Sequence[str],
    catalog: Catalog,
    domain: Domain,
    *,
    seed: int,
    assumed: Assumed | None = None,
) -> BehaviourModel:
    """The behaviour model of `user_ids`, the calibration users.

    Args:
        history, held_out: rows of the log (columns as in `Domain`), before and after the split.

    A click is any event with the item, or a positive one where the log holds items that were seen
    and rejected; those are then the negatives. Elsewhere negatives are drawn uniformly from items
    the user did not have, and the choice model undoes the sampling.

    Raises:
        UserError: too few users or held-out events to learn from.
    """
    wanted = set(user_ids)
    history = history[history["user_id"].isin(wanted) & history["item_id"].isin(catalog)]
    held_out = held_out[held_out["user_id"].isin(wanted) & held_out["item_id"].isin(catalog)]
    known = sorted(set(history["user_id"]) & set(held_out["user_id"]))
    if len(known) < 2 * FOLDS:
        raise UserError(
            f"calibration: {len(known)} calibration users have both a history and held-out events;"
            f" at least {2 * FOLDS} are needed. Give them a larger share, or use a larger log."
        )
    pairs = _Pairs.of(history, held_out, known, catalog, domain, seed)
    scattered = sorted(known, key=lambda user: derive_seed(seed, "fold", user))
    fold_of = {user: n % FOLDS for n, user in enumerate(scattered)}
    if pairs.engaged.all() or not pairs.engaged.any():
        kind = "positive" if not pairs.engaged.any() else "rejected or unseen"
        raise UserError(
            f"calibration: no {kind} item to learn from in the held-out events of {len(known)} "
            "users. Hold out a larger share, or use a larger log."
        )
    features, ratings = _cross_fitted(history, known, fold_of, pairs, catalog, seed)
    choice = Choice.fit(features, pairs.engaged, pairs.negative_rate)
    rated = ~np.isnan(pairs.stars)
    stars = Stars.fit(ratings[rated], pairs.stars[rated]) if rated.sum() >= 2 * FOLDS else None
    return BehaviourModel(
        domain=domain,
        space=FeatureSpace.fit(history, catalog, derive_seed(seed, "taste")),
        choice=choice,
        stars=stars if domain.has_ratings else None,
        assumed=assumed or Assumed(),
        calibration_users=len(known),
        auc=_within_user_auc(pairs, choice.log_odds(features)),
        popularity_auc=_within_user_auc(pairs, features[:, CHOICE.index("popularity")]),
    )


def _within_user_auc(pairs: _Pairs, scores: Floats) -> float:
    """Mean over users of the area under each user's ROC curve; NaN if no user has both kinds."""
    found = []
    order = np.argsort(pairs.users, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(pairs.users[order])) + 1):
        engaged = pairs.engaged[rows]
        if engaged.any() and not engaged.all():
            found.append(float(roc_auc_score(engaged, scores[rows])))
    return fmean(found) if found else math.nan


@dataclass(frozen=True, slots=True)
class _Pairs:
    """(user, item) pairs to learn from: rows into the known users, positions of items."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    engaged: NDArray[np.bool_]
    stars: Floats
    negative_rate: float

    @classmethod
    def of(
        cls,
        history: pd.DataFrame,
        held_out: pd.DataFrame,
        known: Sequence[str],
        catalog: Catalog,
        domain: Domain,
        seed: int,
    ) -> _Pairs:
        position = {item_id: n for n, item_id in enumerate(catalog)}
        row_of = {user: n for n, user in enumerate(known)}
        seen = held_out[held_out["user_id"].isin(row_of)]
        seen = (
            seen.assign(stars=seen["value"].where(seen["event"] == "rate"))
            .groupby(["user_id", "item_id"], as_index=False)
            .agg(positive=("positive", "any"), stars=("stars", "last"))
        )
        users = np.array([row_of[user] for user in seen["user_id"]], dtype=np.int64)
        items = np.array([position[item] for item in seen["item_id"]], dtype=np.int64)
        stars = seen["stars"].to_numpy(dtype=np.float64)
        if domain.has_negatives:
            return cls(users, items, seen["positive"].to_numpy(dtype=bool), stars, 1.0)
        # A pair is one number, its cell in the (users, items) table, which is never built.
        cells = users * len(position) + items
        past = history[history["user_id"].isin(row_of)]
        owned = past["user_id"].map(row_of) * len(position) + past["item_id"].map(position)
        repeated = np.isin(cells, owned.to_numpy(dtype=np.int64))
        taken = cells
        if repeated.mean() <= REPEATS_FROM:
            taken = np.concatenate([cells, owned.to_numpy(dtype=np.int64)])
            users, items, stars = users[~repeated], items[~repeated], stars[~repeated]
        table = len(known) * len(position)
        sampled = min(table, NEGATIVES_PER_POSITIVE * len(users), MAX_NEGATIVES)
        rng = np.random.default_rng(derive_seed(seed, "negatives"))
        drawn = np.sort(rng.choice(table, sampled, replace=False, shuffle=False))
        negative = drawn[~np.isin(drawn, taken)]
        n = len(negative)
        return cls(
            users=np.concatenate([users, negative // len(position)]),
            items=np.concatenate([items, negative % len(position)]),
            engaged=np.concatenate([np.ones(len(users), bool), np.zeros(n, bool)]),
            stars=np.concatenate([stars, np.full(n, np.nan)]),
            negative_rate=sampled / table,
        )


def _cross_fitted(
    history: pd.DataFrame,
    known: Sequence[str],
    fold_of: dict[str, int],
    pairs: _Pairs,
    catalog: Catalog,
    seed: int,
) -> tuple[Floats, Floats]:
    """Choice and rating features of all pairs, each from statistics of the other folds."""
    histories, rated = weighted_histories(history), rated_histories(history)
    user_fold = np.array([fold_of[user] for user in known])
    row_fold = history["user_id"].map(fold_of).to_numpy()
    parts: list[tuple[NDArray[np.int64], Floats, Floats]] = []
    for fold in range(FOLDS):
        space = FeatureSpace.fit(
            history[row_fold != fold], catalog, derive_seed(seed, "taste", fold)
        )
        mine = np.flatnonzero(user_fold[pairs.users] == fold)
        members = np.flatnonzero(user_fold == fold)
        names = [known[int(n)] for n in members]
        side = space.users(
            [histories.get(name, []) for name in names], [rated.get(name, []) for name in names]
        )
        rows = np.searchsorted(members, pairs.users[mine])
        items = pairs.items[mine]
        parts.append((mine, space.choice(side, rows, items), space.rating(side, rows, items)))
    order = np.argsort(np.concatenate([mine for mine, _, _ in parts]), kind="stable")
    return (
        np.concatenate([choice for _, choice, _ in parts])[order],
        np.concatenate([rating for _, _, rating in parts])[order],
    )
