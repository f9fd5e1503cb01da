"""What the behaviour model looks at: a row of numbers for each (user, item)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from focusgroup.simulator.types import Catalog

from .gaussian import Gaussian
from .leaning import Leaning, year_kinds
from .manner import SHRINK, level, over, scale_use, slope, spread, steadiness
from .past import Past, summed
from .taste import ItemIndex, Taste
from .user_side import Nearness, UserSide

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# Popularity bends here: log of a share of users.
KNOTS = (-4.5, -3.0, -1.5)

SIGNALS = (
    "taste",
    "taste_lately",
    "habits",
    "attributes",
    "years",
    "liking",
    "item_bias",
    "popularity",
    "price_fit",
    "owned",
)
_CROSSED = (
    *("attributes x activity", "taste x activity", "taste x popularity"),
    *("years x activity", "years x popularity"),
    *("popularity x activity", "owned x popularity", "owned x activity"),
    *("item_bias x width", "liking x width", "level x popularity", "tilt x popularity"),
)
_BENT = tuple(f"popularity above {knot:g}" for knot in KNOTS)
CHOICE = (
    *(*SIGNALS, "appeal", "amount", "activity", "user_bias", "width", "likes"),
    *("level squared", "price", *_BENT, *_CROSSED),
)
STAR_HABITS = ("width", *(f"more than {stars}" for stars in range(1, 5)))
RATING = (
    *("item_bias", "user_bias", "liking", "attributes", "taste"),
    *("item_bias x width", "user_bias x width", "liking x width", "popularity"),
    *("tilt x popularity", *STAR_HABITS),
)


@dataclass(frozen=True, slots=True)
class FeatureSpace:
    """Item statistics from the calibration users, and the taste factors learned from them.

    Attributes:
        item_bias: (items,), mean stars above the overall mean, shrunk; 0 without ratings.
        popularity: (items,), log of the share of calibration users who had the item (half a user
            more): a share, so that it means the same whatever the number of users.
        variance: of a user's stars above the items' means, around the user's own mean.
        appeal: (2, items), how much more readily than all else suggests the item is taken, by those
            who never had it and by those who had; 0 until it is known.
        usual: popularity of what is taken, on average.
        steady: shrinks how a user's stars rise with popularity, see `steadiness`.
        chosen: whether people choose what they have; else it was shown to them.
        shares: (4,), of ratings of more than 1, 2, 3, 4 stars.
    """

    index: ItemIndex
    taste: Taste
    habits: Taste
    attributes: Leaning
    years: Leaning
    liking: Gaussian
    item_bias: Floats
    popularity: Floats
    log_price: Floats
    mean_stars: float
    variance: float
    appeal: Floats
    usual: float
    steady: float
    chosen: bool
    shares: Floats

    @classmethod
    def fit(
        cls, log: pd.DataFrame, catalog: Catalog, seed: int, *, chosen: bool = True
    ) -> FeatureSpace:
        """Learn from rows of the log of calibration users.

        Args:
            chosen: whether people choose what the log says they had; else it was shown to them.
        """
        index = ItemIndex.of(catalog)
        known = log[log["item_id"].isin(index.position)]
        users, names = pd.factorize(known["user_id"], sort=True)
        items = np.asarray(known["item_id"].map(index.position), dtype=np.int64)
        values = known["value"].to_numpy(dtype=np.float64)
        shape = (len(names), len(index.position))
        bought = (known["event"] == "purchase").to_numpy()
        order = np.argsort(users, kind="stable")
        amounts = np.where(bought, values, 1.0)
        past = Past.of_rows(users[order], items[order], amounts[order], shape)
        taken = np.asarray(past.had.sum(axis=0), dtype=np.float64).ravel()
        rated = (known["event"] == "rate").to_numpy()
        mean = float(values[rated].mean()) if rated.any() else 0.0
        totals = np.bincount(items[rated], values[rated] - mean, shape[1])
        item_bias = totals / (np.bincount(items[rated], minlength=shape[1]) + SHRINK)
        above = values[rated] - mean - item_bias[items[rated]]
        stars = _ratings(users[rated], items[rated], above, shape)
        squares, count = spread(*stars)
        popularity = np.log((taken + 0.5) / (len(names) + 1))
        usual = float(taken @ popularity / max(1.0, taken.sum()))
        kinds = sp.csr_matrix(index.attributes > 0, dtype=np.float64)
        return cls(
            index=index,
            taste=Taste.fit(past.had, seed, scaled=True),
            habits=Taste.fit(past.times, seed),
            attributes=Leaning.fit(kinds, kinds, taken),
            years=Leaning.fit(*year_kinds(catalog), taken),
            liking=Gaussian.fit(*stars, seed),
            item_bias=item_bias,
            popularity=popularity,
            log_price=np.log([item.price or np.nan for item in catalog.values()]),
            mean_stars=mean,
            variance=max(0.01, float(squares.sum() / max(1.0, count.sum()))),
            appeal=np.zeros((2, shape[1])),
            usual=usual,
            chosen=chosen,
            steady=steadiness(*stars, popularity - usual),
            shares=over(values[rated]).mean(axis=0) if rated.any() else np.zeros(4),
        )

    def users(
        self,
        histories: Sequence[Sequence[tuple[str, float]]],
        ratings: Sequence[Sequence[tuple[str, float]]],
    ) -> UserSide:
        """Fold users in from (item, amount) histories and (item, stars) ratings, oldest first."""
        past = Past.of(self.index.position, histories)
        prices = np.nan_to_num(self.log_price)
        priced = (~np.isnan(self.log_price)).astype(np.float64)
        weight = np.asarray(past.times @ priced)
        with np.errstate(invalid="ignore", divide="ignore"):
            log_price = np.asarray(past.times @ (prices * priced)) / weight
        above, given = self._above(ratings)
        squares, count = spread(above, given)
        wide = (squares / self.variance + SHRINK) / (count + SHRINK)
        beyond = self.popularity - self.usual
        together, own = slope(above, given, beyond)
        return UserSide(
            taste=_by_length(self.taste.users(past.had), past.had),
            taste_lately=_by_length(self.taste.users(past.lately), past.lately),
            habits=self.habits.users(past.times),
            attributes=self.attributes.users(past.times),
            years=self.years.users(past.lately),
            liking=self.liking.users(above, given),
            owned=past.times,
            activity=np.log1p(np.diff(past.had.indptr).astype(np.float64)),
            bias=np.asarray(above.sum(axis=1)).ravel() / (count + SHRINK),
            width=0.5 * np.log(wide),
            level=level(past.had, beyond) if self.chosen else np.zeros(len(histories)),
            tilt=together / (own + self.steady),
            scale=scale_use(ratings, self.shares),
            log_price=log_price,
        )

    def _above(
        self, ratings: Sequence[Sequence[tuple[str, float]]]
    ) -> tuple[sp.csr_matrix, sp.csr_matrix]:
        position = self.index.position
        rows = np.repeat(np.arange(len(ratings)), [len(own) for own in ratings])
        names = [item_id for own in ratings for item_id, _ in own]
        found = np.fromiter(map(position.get, names, repeat(-1)), np.int64, len(names))
        given = np.array([value for own in ratings for _, value in own], np.float64)
        known = found >= 0
        rows, items, stars = rows[known], found[known], given[known]
        above = stars - self.mean_stars - self.item_bias[items]
        return _ratings(rows, items, above, (len(ratings), len(position)))

    def nearness(self, users: UserSide, rows: Integers, items: Integers) -> Nearness:
        """What both choice and rating look at, for pairs (rows[i], items[i])."""
        return Nearness(
            self._taste(users.taste, rows, items),
            self.attributes.of(users.attributes, rows, items),
            _dot(users.liking, self.liking.loadings, rows, items),
        )

    def choice(
        self, users: UserSide, rows: Integers, items: Integers, near: Nearness | None = None
    ) -> Floats:
        """Features of `CHOICE` for pairs (rows[i], items[i]), (n, len(CHOICE)).

        What tells new items apart says little of those the user has: taste is 0 there.

        Args:
            near: of the same pairs, where it is known already.
        """
        near = near or self.nearness(users, rows, items)
        amount = np.asarray(users.owned[rows, items]).ravel()
        owned = (amount > 0).astype(np.float64)
        new = 1 - owned
        popularity, activity = self.popularity[items], users.activity[rows]
        taste, attributes = new * near.taste, new * near.attributes
        years = new * self.years.of(users.years, rows, items)
        item_bias, liking = self.item_bias[items], near.liking
        width, beyond = users.width[rows], popularity - self.usual
        return np.column_stack(
            (
                taste,
                new * self._taste(users.taste_lately, rows, items),
                new * _root(_dot(users.habits, self.habits.factors, rows, items)),
                attributes,
                years,
                liking,
                item_bias,
                popularity,
                np.nan_to_num(-np.abs(self.log_price[items] - users.log_price[rows])),
                owned,
                self.appeal[owned.astype(np.int64), items],
                amount,
                activity,
                users.bias[rows],
                width,
                users.scale[rows, 2],
                users.level[rows] ** 2,
                np.nan_to_num(self.log_price[items]),
                *(np.maximum(0.0, popularity - knot) for knot in KNOTS),
                attributes * activity,
                taste * activity,
                taste * popularity,
                years * activity,
                years * popularity,
                popularity * activity,
                owned * popularity,
                owned * activity,
                item_bias * width,
                liking * width,
                users.level[rows] * beyond,
                users.tilt[rows] * beyond,
            )
        )

    def rating(
        self, users: UserSide, rows: Integers, items: Integers, near: Nearness | None = None
    ) -> Floats:
        """Features of `RATING` for pairs, (n, len(RATING)); `near` as in `choice`."""
        near = near or self.nearness(users, rows, items)
        item_bias, bias, width = self.item_bias[items], users.bias[rows], users.width[rows]
        return np.column_stack(
            (
                item_bias,
                bias,
                near.liking,
                near.attributes,
                near.taste,
                item_bias * width,
                bias * width,
                near.liking * width,
                self.popularity[items],
                users.tilt[rows] * (self.popularity[items] - self.usual),
                width,
                users.scale[rows],
            )
        )

    def _taste(self, users: Floats, rows: Integers, items: Integers) -> Floats:
        return _root(_dot(users, self.taste.factors, rows, items))


def _dot(users: Floats, factors: Floats, rows: Integers, items: Integers) -> Floats:
    # Summed row by row, not by BLAS, whose last bits change with the shape of the batch.
    products = users.take(rows, axis=0)
    products *= factors.take(items, axis=0)
    return np.asarray(products.sum(axis=1))


def _root(scores: Floats) -> Floats:
    """A few items of a user score far above the rest: the root keeps the others apart too."""
    return np.asarray(np.sign(scores) * np.sqrt(np.abs(scores)))


def _by_length(users: Floats, matrix: sp.csr_matrix) -> Floats:
    """Vectors of users as if their histories had one length, so that their scores compare."""
    squares = np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
    return np.asarray(users / np.sqrt(np.maximum(squares, 1.0))[:, None])


def _ratings(
    users: Integers, items: Integers, above: Floats, shape: tuple[int, int]
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """(above the items' means, given), (users, items) each; several of one item are averaged."""
    given = summed(users, items, np.ones(len(users)), shape)
    total = summed(users, items, above, shape)
    total.data /= given.data
    given.data = np.ones_like(given.data)
    return total, given


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
