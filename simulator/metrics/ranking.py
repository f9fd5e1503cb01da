"""Classical offline accuracy: the first page of round 0 against held-out likes, by ir-measures.

One query a user: the slate's order is the ranking, the user's held-out likes are the relevant
items, and k is the page size. Nothing a simulated user did enters. nDCG: Järvelin and Kekäläinen
2002; reciprocal rank: Voorhees 1999.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .cells import Cells, Sums, codes, ints, names
from .metric import Better, Metric, Needs, Ratio, Unit

if TYPE_CHECKING:
    from ir_measures.measures import Measure


def _first_pages(cells: Cells) -> pd.DataFrame:
    """Cell, item and slot of every first slate of round 0 that went to a user with likes."""
    shown = cells.exposures
    liked = np.array([bool(cells.context.held_out.get(user)) for user in cells.users], np.bool_)
    user = ints(shown, "cell") % max(len(cells.users), 1)
    first = (ints(shown, "page") == 0) & (ints(shown, "round") == 0)
    return shown[first & liked[user]] if len(shown) else shown


def _scored(measure: Callable[[int], Measure]) -> Callable[[Cells], Sums]:
    def sums(cells: Cells) -> Sums:
        # Imported here because ir-measures takes half a second to load.
        import ir_measures

        rows = _first_pages(cells)
        value, count = np.zeros(cells.shape).ravel(), np.zeros(cells.shape).ravel()
        if len(rows):
            cell, slot = ints(rows, "cell"), ints(rows, "slot")
            items, users, k = names(rows, "item_id"), cells.users, int(slot.max())
            item = codes(rows, "item_id")
            run: dict[str, dict[str, float]] = {}
            for c, i, s in zip(cell.tolist(), item.tolist(), slot.tolist(), strict=True):
                run.setdefault(str(c), {})[items[i]] = -float(s)
            count[cell] = 1.0
            held_out = cells.context.held_out
            relevant = {
                query: dict.fromkeys(sorted(held_out[users[int(query) % len(users)]]), 1)
                for query in run
            }
            for found in ir_measures.iter_calc([measure(k)], relevant, run):
                value[int(found.query_id)] = found.value
        return Sums(value.reshape(cells.shape), count.reshape(cells.shape))

    return sums


def _ndcg(k: int) -> Measure:
    from ir_measures import nDCG

    return nDCG @ k


def _recall(k: int) -> Measure:
    from ir_measures import R

    return R @ k


def _reciprocal_rank(k: int) -> Measure:  # noqa: ARG001 - the page is the whole ranking
    from ir_measures import RR

    return RR


def _metric(name: str, label: str, what: str, measure: Callable[[int], Measure]) -> Metric:
    return Metric(
        name,
        label,
        f"{what} of the first page of round 0 against the user's held-out likes.",
        Better.HIGHER,
        Unit.SCORE,
        Ratio(_scored(measure)),
        Needs.HELD_OUT,
        bounds=(0.0, 1.0),
        by_round=False,
    )


RANKING = (
    _metric("ndcg", "nDCG", "Normalised discounted cumulative gain", _ndcg),
    _metric("recall", "recall", "Share of the held-out likes that are on it: recall", _recall),
    _metric("mrr", "reciprocal rank", "One over the slot of the first hit", _reciprocal_rank),
)
