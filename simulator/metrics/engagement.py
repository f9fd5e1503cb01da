"""Clicks, purchases and revenue.

Expected figures put stored probabilities in the place of draws. Over the visited pages the sum of
conditional probabilities has the same mean as the sum of draws and less variance (the compensator
of a counting process; Rao-Blackwell), so each rate stays a ratio of unbiased sums.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .cells import Cells, Flags, Sums, codes, flags, floats, ints, names
from .exposures import Floats
from .metric import Better, Metric, Needs, Ratio, Unit


def _answered(cells: Cells) -> pd.DataFrame:
    return cells.exposures[flags(cells.exposures, "answered")]


def _finished(cells: Cells) -> pd.DataFrame:
    shown = cells.exposures
    return shown[flags(shown, "answered") & flags(shown, "finished")]


def _ratio(cells: Cells, rows: pd.DataFrame, above: Floats, below: Floats | None) -> Sums:
    cell = ints(rows, "cell")
    return Sums(cells.sum(cell, above), cells.sum(cell, below))


def _per_session(cells: Cells, rows: pd.DataFrame, weights: Floats | Flags) -> Sums:
    sessions = cells.sessions[flags(cells.sessions, "finished")]
    return Sums(cells.sum(ints(rows, "cell"), weights), cells.sum(ints(sessions, "cell")))


def _click_rate(cells: Cells) -> Sums:
    rows = _answered(cells)
    return _ratio(cells, rows, floats(rows, "clicked"), None)


def _click_rate_expected(cells: Cells) -> Sums:
    rows = _answered(cells)
    return _ratio(cells, rows, floats(rows, "p_click"), None)


def _conversion(cells: Cells) -> Sums:
    rows = _answered(cells)
    return _ratio(cells, rows, floats(rows, "purchased"), floats(rows, "clicked"))


def _conversion_expected(cells: Cells) -> Sums:
    rows = _answered(cells)
    return _ratio(cells, rows, floats(rows, "p_purchase"), floats(rows, "p_click"))


def _purchases(cells: Cells) -> Sums:
    rows = _finished(cells)
    return _per_session(cells, rows, flags(rows, "purchased"))


def _purchases_expected(cells: Cells) -> Sums:
    rows = _finished(cells)
    return _per_session(cells, rows, floats(rows, "p_purchase"))


def _revenue(cells: Cells) -> Sums:
    rows = _finished(cells)
    return _per_session(cells, rows, np.nan_to_num(floats(rows, "price")))


def _revenue_expected(cells: Cells) -> Sums:
    rows = _finished(cells)
    items = [cells.context.catalog.get(name) for name in names(rows, "item_id")]
    # An item without a price is bought at 0, as `Purchase` says.
    prices = np.array([np.nan if item is None else item.price or 0.0 for item in items])
    offered = prices[codes(rows, "item_id")] if len(rows) else np.zeros(0)
    paid, chance = floats(rows, "price"), floats(rows, "p_purchase")
    bought = ~np.isnan(paid)
    if not np.allclose(paid[bought], offered[bought]):
        # Prices moved during the run, and what an unbought item cost on its page is not stored.
        offered = np.full(len(rows), np.nan)
    return _per_session(cells, rows, np.where(chance == 0, 0.0, chance * offered))


ENGAGEMENT = (
    Metric(
        "click_rate",
        "click rate",
        "Clicks over items shown on answered pages.",
        Better.HIGHER,
        Unit.SHARE,
        Ratio(_click_rate, _click_rate_expected),
        bounds=(0.0, 1.0),
    ),
    Metric(
        "conversion",
        "conversion",
        "Purchases over clicks.",
        Better.HIGHER,
        Unit.SHARE,
        Ratio(_conversion, _conversion_expected),
        Needs.PURCHASES,
        bounds=(0.0, 1.0),
    ),
    Metric(
        "purchases_per_session",
        "purchases per visit",
        "Purchases over visits that did not fail.",
        Better.HIGHER,
        Unit.COUNT,
        Ratio(_purchases, _purchases_expected),
        Needs.PURCHASES,
    ),
    Metric(
        "revenue_per_session",
        "revenue per visit",
        "Prices paid over visits that did not fail.",
        Better.HIGHER,
        Unit.MONEY,
        Ratio(_revenue, _revenue_expected),
        Needs.PRICES,
    ),
)
