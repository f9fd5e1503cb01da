"""What a metric is, and how its values read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from .cells import Cells, Sums
from .exposures import Floats

Counts = NDArray[np.int32]


class Better(StrEnum):
    """Which way is good."""

    HIGHER = "higher"
    LOWER = "lower"
    NONE = "none"


class Unit(StrEnum):
    """How a value is written."""

    SHARE = "share"
    STARS = "stars"
    SCORE = "score"
    COUNT = "count"
    MONEY = "money"
    BITS = "bits"


class Needs(StrEnum):
    """What a run must hold for a metric to be shown; a primary metric is always shown."""

    NOTHING = "nothing"
    PURCHASES = "purchases"
    PRICES = "prices"
    RATINGS = "ratings"
    HELD_OUT = "held-out likes"
    POPULARITY = "popularity in a log"
    ATTRIBUTES = "item attributes"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of sums over users.

    Attributes:
        sums: numerator and denominator from the drawn actions.
        expected: the same from stored probabilities, NaN where they are not stored.
    """

    sums: Callable[[Cells], Sums]
    expected: Callable[[Cells], Sums] | None = None


@dataclass(frozen=True, slots=True)
class OverCatalogue:
    """A figure of the catalogue as a whole.

    Attributes:
        value: from exposure counts, shape (rows, items shown to anyone), and the number of items in
            the catalogue, to one figure a row.
    """

    value: Callable[[Counts, int], Floats]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of merit.

    Attributes:
        name: key in tables, JSON and scenarios.
        label: for a reader, lower case.
        description: what it is, in a sentence.
        bounds: least and greatest possible value, None where there is no greatest.
        by_round: whether it means something in every round.
    """

    name: str
    label: str
    description: str
    better: Better
    unit: Unit
    measure: Ratio | OverCatalogue
    needs: Needs = Needs.NOTHING
    bounds: tuple[float, float] | None = None
    by_round: bool = True

    def text(self, value: float) -> str:
        """A value in words: ``12.3 %``, ``3.91``; a dash for NaN."""
        if math.isnan(value):
            return "-"
        if self.unit is Unit.SHARE:
            return f"{100 * value:.1f} %"
        return f"{value:.{self._decimals}f}"

    def difference_text(self, value: float, *, unit: bool = True) -> str:
        """A difference in words: ``4.1 points``, ``0.21 stars``; a dash for NaN."""
        if math.isnan(value):
            return "-"
        if self.unit is Unit.SHARE:
            return f"{100 * value:.1f} points" if unit else f"{100 * value:.1f}"
        noun = f" {self.unit}" if unit and self.unit in (Unit.STARS, Unit.BITS) else ""
        return f"{value:.{self._decimals}f}{noun}"

    @property
    def _decimals(self) -> int:
        return 3 if self.unit is Unit.SCORE else 2
