"""From an interaction log or a request's history to matrices of users and items.

Only rows that count as engagement (`positive`) are used. How strongly a user took to an item is
1 + ln(units), units being the number bought for a purchase and 1 for any other event, summed over
the pair's rows: the log-scaled confidence of Hu, Koren, Volinsky (2008), "Collaborative Filtering
for Implicit Feedback Datasets", eq. 6, so that the 500th carton of milk does not drown all else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import Event, Interaction, RecRequest

from .item_index import ItemIndex

_COLUMNS = ("user_id", "item_id", "event", "value", "positive")
_State = TypeVar("_State")


def fitted(state: _State | None, name: str) -> _State:
    """The state, once there is one.

    Raises:
        UserError: `fit` was not called.
    """
    if state is None:
        raise UserError(f"recommender {name!r} has learned nothing yet: call fit(...) first.")
    return state


def require_columns(table: pd.DataFrame, columns: Iterable[str], name: str) -> None:
    """Raises UserError if the table lacks one of the columns."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise UserError(
            f"{name} lack the column {', '.join(map(repr, missing))}; "
            f"found: {', '.join(map(str, table.columns))}."
        )


def catalogue(interactions: pd.DataFrame, items: pd.DataFrame | None) -> ItemIndex:
    """The items that may be shown: exactly those of `items`, or without it those of the log.

    Raises:
        UserError: a column is missing, an item is listed twice, or there are no items.
    """
    require_columns(interactions, _COLUMNS, "interactions")
    if interactions["positive"].dtype != bool:
        raise UserError(
            "column 'positive' of interactions must be of dtype bool, not "
            f"{interactions['positive'].dtype}."
        )
    if items is not None:
        require_columns(items, ("item_id",), "items")
        twice = items["item_id"][items["item_id"].duplicated()]
        if len(twice):
            raise UserError(f"items list {twice.iloc[0]!r} more than once; item ids are unique.")
    index = ItemIndex(tuple((interactions if items is None else items)["item_id"]))
    if not len(index):
        raise UserError("there are no items to recommend: the table of items is empty.")
    return index


def positive_rows(interactions: pd.DataFrame, index: ItemIndex) -> pd.DataFrame:
    """The rows that count as engagement with an item of the catalogue."""
    known = interactions["positive"] & interactions["item_id"].isin(index.columns.keys())
    return interactions[known]


def positive_counts(interactions: pd.DataFrame, index: ItemIndex) -> NDArray[np.int64]:
    """How many positive rows each item has; shape (n_items,)."""
    columns = positive_rows(interactions, index)["item_id"].map(index.columns)
    return np.bincount(columns.to_numpy(np.intp), minlength=len(index)).astype(np.int64)


def popularity_prior(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Popularity as a score in [-1, 0]: 0 for the most popular item, -1 for one never taken to.

    Used below scores that are above 0, for items about which an algorithm has nothing to say.
    """
    return counts / max(1, int(counts.max(initial=0))) - 1.0


def user_item_matrix(interactions: pd.DataFrame, index: ItemIndex, name: str) -> csr_matrix:
    """Strengths (see the module) by user and item; users in order of id.

    Raises:
        UserError: there is no positive row to learn from.
    """
    rows = positive_rows(interactions, index)
    if rows.empty:
        raise UserError(
            f"recommender {name!r} has nothing to learn from: no row of the {len(interactions)} "
            "interactions is positive and names an item of the catalogue."
        )
    users, user_ids = pd.factorize(rows["user_id"], sort=True)
    items = rows["item_id"].map(index.columns).to_numpy(np.intp)
    units = rows["value"].to_numpy(np.float64)
    bought = (rows["event"] == Event.PURCHASE.value).to_numpy(bool)
    # NaN fails the comparison, so an unknown quantity counts as one.
    units = np.where(bought & (units > 1.0), units, 1.0)
    matrix = csr_matrix((units, (users, items)), shape=(len(user_ids), len(index)))
    matrix.data = 1.0 + np.log(matrix.data)
    return matrix


def history_matrix(requests: Sequence[RecRequest], index: ItemIndex) -> csr_matrix:
    """Strengths (see the module) by request and item; unknown items are left out."""
    columns: list[int] = []
    units: list[float] = []
    starts = [0]
    for request in requests:
        row: dict[int, float] = {}
        for event in request.history:
            column = index.columns.get(event.item_id) if event.positive else None
            if column is not None:
                row[column] = row.get(column, 0.0) + _units(event)
        for column in sorted(row):
            columns.append(column)
            units.append(row[column])
        starts.append(len(columns))
    data = 1.0 + np.log(np.array(units, np.float64))
    shape = (len(requests), len(index))
    return csr_matrix((data, np.array(columns, np.int32), np.array(starts, np.int32)), shape=shape)


def _units(event: Interaction) -> float:
    return event.value if event.event is Event.PURCHASE and event.value > 1.0 else 1.0
