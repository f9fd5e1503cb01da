"""Recommenders for logs of ratings: what the product, which learns from what was taken, lacks.

They exist to be ranked by simulated users, and answer any user from the request's history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.recommenders import ItemIndex, rank
from focusgroup.simulator import RecRequest, Slate
from focusgroup.simulator.types import Event

Floats = NDArray[np.float64]

RANK = 4
SUPPORT = 1.0  # summed similarity at which a prediction is believed half


@dataclass(frozen=True, slots=True)
class Ratings:
    """Stars of training users.

    Attributes:
        stars: (users, items), NaN where there are none.
    """

    index: ItemIndex
    stars: Floats

    @classmethod
    def of(cls, log: pd.DataFrame, item_ids: Sequence[str]) -> Ratings:
        """From rows of the log; the last rating of a pair counts."""
        index = ItemIndex(tuple(item_ids))
        rated = log[(log["event"] == Event.RATE.value) & log["item_id"].isin(index.columns)]
        rows, names = pd.factorize(rated["user_id"], sort=True)
        stars = np.full((len(names), len(index)), np.nan)
        stars[rows, rated["item_id"].map(index.columns).to_numpy(np.int64)] = rated["value"]
        return cls(index, stars)

    def item_means(self, shrink: float) -> Floats:
        """Mean stars of each item, (items,), `shrink` ratings at the overall mean added."""
        overall = float(np.nanmean(self.stars))
        return self._mean(self.stars, overall, shrink)

    def item_variances(self, shrink: float) -> Floats:
        """Variance of each item's stars, (items,), shrunk to the overall mean of it."""
        count = np.maximum((~np.isnan(self.stars)).sum(axis=0), 1)
        squares = (self.stars - np.nansum(self.stars, axis=0) / count) ** 2
        return self._mean(squares, float(np.nanmean(squares)), shrink)

    def residuals(self, means: Floats) -> Floats:
        """Stars above the item's mean and the user's own habit, (users, items), 0 if unrated."""
        above = self.stars - means
        count = np.maximum((~np.isnan(above)).sum(axis=1, keepdims=True), 1)
        habit = np.nansum(above, axis=1, keepdims=True) / count
        return np.asarray(np.nan_to_num(above - habit))

    @staticmethod
    def _mean(values: Floats, overall: float, shrink: float) -> Floats:
        count = (~np.isnan(values)).sum(axis=0)
        return np.asarray((np.nansum(values, axis=0) + shrink * overall) / (count + shrink))


@dataclass(frozen=True, slots=True)
class SameForAll:
    """Ranks by one score an item, whoever asks."""

    index: ItemIndex
    scores: Floats

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        return [rank(self.scores, request, self.index) for request in requests]


@dataclass(frozen=True, slots=True)
class RatedNeighbours:
    """Predicts a rating from the user's ratings of similar items.

    score(j) = mean(j) + sum_i s(i, j) r(i) / (sum_i |s(i, j)| + SUPPORT), r being the user's stars
    above the item's mean and the user's habit, s their adjusted cosine (Sarwar et al. 2001,
    "Item-Based Collaborative Filtering Recommendation Algorithms").

    Attributes:
        means: what habit is measured against. start: what is added to the neighbours' word.
    """

    index: ItemIndex
    means: Floats
    start: Floats
    similarity: Floats

    @classmethod
    def fit(cls, ratings: Ratings, means: Floats) -> RatedNeighbours:
        found = ratings.residuals(means)
        length = np.sqrt((found**2).sum(axis=0))
        unit = found / np.where(length > 0, length, 1.0)
        similarity = unit.T @ unit
        np.fill_diagonal(similarity, 0.0)
        return cls(ratings.index, means, means, similarity)

    def without_popularity(self) -> RatedNeighbours:
        """The same, without the items' means: only what sets this user apart."""
        return replace(self, start=np.zeros_like(self.means))

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        return [rank(self._scores(request), request, self.index) for request in requests]

    def _scores(self, request: RecRequest) -> Floats:
        columns, residuals = _tastes(request, self.index, self.means)
        near = self.similarity[columns]
        support = np.abs(near).sum(axis=0) + SUPPORT
        return np.asarray(self.start + residuals @ near / support)


@dataclass(frozen=True, slots=True)
class RatingFactors:
    """Predicts a rating by projecting the user's ratings on the leading factors of all.

    score = means + r V V', r being zero where the user rated nothing (PureSVD on residuals:
    Cremonesi, Koren, Turrin 2010). V: (items, rank), orthonormal columns.
    """

    index: ItemIndex
    means: Floats
    factors: Floats

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        return [rank(self._scores(request), request, self.index) for request in requests]

    def _scores(self, request: RecRequest) -> Floats:
        columns, residuals = _tastes(request, self.index, self.means)
        return np.asarray(self.means + (residuals @ self.factors[columns]) @ self.factors.T)


def rating_factors(ratings: Ratings, means: Floats) -> RatingFactors:
    """Factorise the residuals of the training users."""
    residuals = ratings.residuals(means)
    _, vectors = np.linalg.eigh(residuals.T @ residuals)
    return RatingFactors(ratings.index, means, vectors[:, ::-1][:, :RANK])


def _tastes(
    request: RecRequest, index: ItemIndex, means: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Columns the user rated, and the stars above the item's mean and the user's habit."""
    rated = {
        index.columns[i.item_id]: i.value
        for i in request.history
        if i.event is Event.RATE and i.item_id in index.columns
    }
    columns = np.array(sorted(rated), np.int64)
    above = np.array([rated[int(c)] for c in columns]) - means[columns]
    return columns, above - above.mean() if len(above) else above
