"""What the behaviour model looks at: a row of numbers for each (user, item)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from focusgroup.simulator.types import Catalog

from .taste import ItemIndex, Taste, attribute_profiles, history_matrix

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SHRINK = 5.0  # pseudo-ratings at the overall mean, for item and user biases

CHOICE = ("taste", "attributes", "item_bias", "popularity", "activity", "owned", "price_fit")
RATING = ("item_bias", "user_bias", "attributes", "taste")


@dataclass(frozen=True, slots=True)
class UserSide:
    """Many users as arrays: everything about them the features need.

    Attributes:
        factors: (users, d). profiles: (users, attributes). owned: (users, items), log1p counts.
        activity, bias, log_price: (users,). log_price is NaN where unknown.
    """

    factors: Floats
    profiles: Floats
    owned: sp.csr_matrix
    activity: Floats
    bias: Floats
    log_price: Floats


@dataclass(frozen=True, slots=True)
class FeatureSpace:
    """Item statistics from the calibration users, and the taste factors learned from them.

    Attributes:
        item_bias: (items,), mean stars above the overall mean, shrunk; 0 without ratings.
        popularity: (items,), log of the share of calibration users who had the item (half a user
            more): a share, so that it means the same whatever the number of users.
    """

    index: ItemIndex
    taste: Taste
    item_bias: Floats
    popularity: Floats
    log_price: Floats
    mean_stars: float

    @classmethod
    def fit(cls, history: pd.DataFrame, catalog: Catalog, seed: int) -> FeatureSpace:
        """Learn from history rows of calibration users."""
        index = ItemIndex.of(catalog)
        known = history[history["item_id"].isin(index.position)]
        positions = known["item_id"].map(index.position).to_numpy(dtype=np.int64)
        rated = (known["event"] == "rate").to_numpy()
        values = known["value"].to_numpy(dtype=np.float64)
        mean = float(values[rated].mean()) if rated.any() else 0.0
        n_items = len(index.position)
        totals = np.bincount(positions[rated], values[rated] - mean, n_items)
        counts = np.bincount(positions[rated], minlength=n_items)
        had = known.drop_duplicates(["user_id", "item_id"])["item_id"].map(index.position)
        n_had = np.bincount(had.to_numpy(dtype=np.int64), minlength=n_items)
        matrix = history_matrix(index, list(weighted_histories(known).values()))
        return cls(
            index=index,
            taste=Taste.fit(matrix, seed),
            item_bias=totals / (counts + SHRINK),
            popularity=np.log((n_had + 0.5) / (known["user_id"].nunique() + 1)),
            log_price=np.log([item.price or np.nan for item in catalog.values()]),
            mean_stars=mean,
        )

    def users(
        self,
        histories: Sequence[Sequence[tuple[str, float]]],
        ratings: Sequence[Sequence[tuple[str, float]]],
    ) -> UserSide:
        """Fold users in from (item, weight) histories and (item, stars) ratings."""
        matrix = history_matrix(self.index, histories)
        prices = np.nan_to_num(self.log_price)
        priced = (~np.isnan(self.log_price)).astype(np.float64)
        weight = np.asarray(matrix @ priced)
        with np.errstate(invalid="ignore", divide="ignore"):
            log_price = np.asarray(matrix @ (prices * priced)) / weight
        return UserSide(
            factors=self.taste.users(matrix),
            profiles=attribute_profiles(self.index, matrix),
            owned=matrix,
            activity=np.log1p(np.diff(matrix.indptr).astype(np.float64)),
            bias=np.array([self._bias(rated) for rated in ratings]),
            log_price=log_price,
        )

    def _bias(self, rated: Sequence[tuple[str, float]]) -> float:
        position = self.index.position
        residuals = [
            stars - self.mean_stars - self.item_bias[position[i]]
            for i, stars in rated
            if i in position
        ]
        return float(sum(residuals) / (len(residuals) + SHRINK))

    def choice(self, users: UserSide, rows: Integers, items: Integers) -> Floats:
        """Features of `CHOICE` for pairs (rows[i], items[i]), (n, 7)."""
        price_fit = -np.abs(self.log_price[items] - users.log_price[rows])
        columns = (
            *self._tastes(users, rows, items),
            self.item_bias[items],
            self.popularity[items],
            users.activity[rows],
            np.asarray(users.owned[rows, items]).ravel(),
            np.nan_to_num(price_fit),
        )
        return np.column_stack(columns)

    def rating(self, users: UserSide, rows: Integers, items: Integers) -> Floats:
        """Features of `RATING` for pairs, (n, 4)."""
        taste, attributes = self._tastes(users, rows, items)
        return np.column_stack((self.item_bias[items], users.bias[rows], attributes, taste))

    def _tastes(self, users: UserSide, rows: Integers, items: Integers) -> tuple[Floats, Floats]:
        taste = (users.factors[rows] * self.taste.factors[items]).sum(axis=1)
        own = self.index.attributes[items]
        pair = np.repeat(np.arange(len(items)), np.diff(own.indptr))
        terms = own.data * users.profiles[rows[pair], own.indices]
        attributes = np.bincount(pair, terms, len(items)).astype(np.float64)
        # A few items of a user score far above the rest: the root keeps the others apart too.
        return np.sign(taste) * np.sqrt(np.abs(taste)), attributes


def weighted_histories(rows: pd.DataFrame) -> dict[str, list[tuple[str, float]]]:
    """user -> (item, weight), in order: the number bought for a purchase, else 1."""
    weight = rows["value"].where(rows["event"] == "purchase", 1.0)
    return _by_user(rows["user_id"], rows["item_id"], weight)


def rated_histories(rows: pd.DataFrame) -> dict[str, list[tuple[str, float]]]:
    """user -> (item, stars), in order."""
    rated = rows[rows["event"] == "rate"]
    return _by_user(rated["user_id"], rated["item_id"], rated["value"])


def _by_user(
    users: pd.Series, items: pd.Series, values: pd.Series
) -> dict[str, list[tuple[str, float]]]:
    found: dict[str, list[tuple[str, float]]] = {}
    for user, item, value in zip(users, items, values, strict=True):
        found.setdefault(str(user), []).append((str(item), float(value)))
    return found
