"""Fitting the behaviour model: on calibration users only, cross-fitted, negatives sampled.

What a calibration user engaged with in the held-out part of the log is to be predicted from the
user's history. Item statistics and taste factors for a user's rows come from the whole logs of the
other folds' users, so that they are as strange to the user as they will be to the audience.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from focusgroup.simulator.domain import Domain
from focusgroup.simulator.errors import UserError
from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.types import Catalog

from .appeal import effects
from .assumed import Assumed
from .behaviour import BehaviourModel
from .choice import Choice
from .features import CHOICE, STAR_HABITS, FeatureSpace, rated_histories, weighted_histories
from .pairs import Pairs, Seen, joined
from .stars import Stars

FOLDS = 5

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
    and rejected; those are then the negatives. Elsewhere negatives are drawn from items the user
    did not take, among equally popular ones (`Pairs.drawn`), and the choice model undoes the
    sampling, so that its probabilities are of any item.

    Raises:
        UserError: too few users or held-out events to learn from.
    """
    # Threads would change the last bits of a fit from machine to machine, and gain nothing.
    with threadpool_limits(1, user_api="blas"):
        return _fitted(history, held_out, user_ids, catalog, domain, seed, assumed or Assumed())


def _fitted(
    history: pd.DataFrame,
    held_out: pd.DataFrame,
    user_ids: Sequence[str],
    catalog: Catalog,
    domain: Domain,
    seed: int,
    assumed: Assumed,
) -> BehaviourModel:
    wanted = set(user_ids)
    history = history[history["user_id"].isin(wanted) & history["item_id"].isin(catalog)]
    held_out = held_out[held_out["user_id"].isin(wanted) & held_out["item_id"].isin(catalog)]
    known = sorted(set(history["user_id"]) & set(held_out["user_id"]))
    if len(known) < 2 * FOLDS:
        raise UserError(
            f"calibration: {len(known)} calibration users have both a history and held-out events;"
            f" at least {2 * FOLDS} are needed. Give them a larger share, or use a larger log."
        )
    seen = Seen.of(history, held_out, known, catalog)
    log = pd.concat((history, held_out), ignore_index=True)
    pairs, features, ratings = _cross_fitted(history, log, known, seen, catalog, domain, seed)
    if pairs.engaged.all() or not pairs.engaged.any():
        kind = "positive" if not pairs.engaged.any() else "rejected or unseen"
        raise UserError(
            f"calibration: no {kind} item to learn from in the held-out events of {len(known)} "
            "users. Hold out a larger share, or use a larger log."
        )
    choice = Choice.fit(features, pairs.engaged, pairs.kept)
    appeal = _appeal(pairs, choice.log_odds(features) - np.log(pairs.kept), len(catalog))
    choice = choice.beside(CHOICE.index("appeal"))
    rated = ~np.isnan(pairs.stars)
    stars = None
    if rated.sum() >= 2 * FOLDS:
        stars = Stars.fit(ratings[rated], pairs.stars[rated], len(STAR_HABITS))
    return BehaviourModel(
        domain=domain,
        space=replace(
            FeatureSpace.fit(
                log, catalog, derive_seed(seed, "taste"), chosen=not domain.has_negatives
            ),
            appeal=appeal,
        ),
        choice=choice,
        stars=stars if domain.has_ratings else None,
        assumed=assumed,
        calibration_users=len(known),
        auc=_within_user_auc(pairs, choice.log_odds(features) - np.log(pairs.kept)),
        popularity_auc=_within_user_auc(pairs, features[:, CHOICE.index("popularity")]),
    )


def _appeal(pairs: Pairs, expected: Floats, n_items: int) -> Floats:
    """Appeal of items beyond log-odds (n,) that are expected, (2, items)."""
    engaged = pairs.engaged.astype(np.float64)
    return np.array(
        [
            effects(pairs.items[mine], n_items, expected[mine], engaged[mine])
            for mine in (~pairs.owned, pairs.owned)
        ]
    )


def _within_user_auc(pairs: Pairs, scores: Floats) -> float:
    """Mean over users of the area under each user's ROC curve, of items new to the user.

    NaN if no user has both kinds.
    """
    new = ~pairs.owned
    users, engaged = pairs.users[new], pairs.engaged[new]
    ranks = pd.Series(scores[new]).groupby(users).rank().to_numpy()  # ties share the mean rank
    wins, all_ = np.bincount(users, engaged), np.bincount(users)
    losses = all_ - wins
    above = np.bincount(users, ranks * engaged) - wins * (wins + 1) / 2
    both = wins * losses > 0
    return float((above[both] / (wins * losses)[both]).mean()) if both.any() else math.nan


def _cross_fitted(
    history: pd.DataFrame,
    log: pd.DataFrame,
    known: Sequence[str],
    seen: Seen,
    catalog: Catalog,
    domain: Domain,
    seed: int,
) -> tuple[Pairs, Floats, Floats]:
    """Pairs with their choice and rating features, each from statistics of the other folds."""
    scattered = sorted(known, key=lambda user: derive_seed(seed, "fold", user))
    fold_of = {user: n % FOLDS for n, user in enumerate(scattered)}
    histories, rated = weighted_histories(history), rated_histories(history)
    user_fold = np.array([fold_of[user] for user in known])
    row_fold = log["user_id"].map(fold_of).to_numpy()
    parts: list[tuple[Pairs, Floats, Floats]] = []
    for fold in range(FOLDS):
        space = FeatureSpace.fit(
            log[row_fold != fold],
            catalog,
            derive_seed(seed, "taste", fold),
            chosen=not domain.has_negatives,
        )
        mine = user_fold == fold
        if domain.has_negatives:
            pairs = Pairs.shown(seen, mine)
        else:
            drawing = derive_seed(seed, "negatives", fold)
            pairs = Pairs.drawn(seen, mine, space.popularity, drawing)
        members = np.flatnonzero(mine)
        names = [known[int(n)] for n in members]
        side = space.users(
            [histories.get(name, []) for name in names], [rated.get(name, []) for name in names]
        )
        rows = np.searchsorted(members, pairs.users)
        choice, rating = (of(side, rows, pairs.items) for of in (space.choice, space.rating))
        parts.append((pairs, choice, rating))
    return (
        joined([pairs for pairs, _, _ in parts]),
        np.concatenate([choice for _, choice, _ in parts]),
        np.concatenate([rating for _, _, rating in parts]),
    )
