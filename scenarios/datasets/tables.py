"""The three tables in their one form: declared dtypes, canonical order, content fingerprint.

Strings have the string type of the installed pandas (`str` in pandas 3, `object` in 2.2). The
fingerprint hashes values, never memory, so it does not depend on that.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator.domain import Domain

from .dataset import INTERACTION_COLUMNS, ITEM_COLUMNS, Dataset

_INTERACTION_TYPES = {
    "user_id": str,
    "item_id": str,
    "event": str,
    "value": np.float64,
    "positive": np.bool_,
    "timestamp": np.float64,
}
_ITEM_TYPES = {"item_id": str, "title": str, "description": str, "price": np.float64}


def dataset_of(
    domain: Domain,
    interactions: pd.DataFrame,
    items: pd.DataFrame,
    users: pd.DataFrame | None = None,
    *,
    source: str = "",
    licence: str = "",
    notes: tuple[str, ...] = (),
) -> Dataset:
    """A dataset from checked tables: typed, sorted, and with a row for every user of the log.

    Args:
        interactions: columns as in `Domain`, any order of rows. Sorted by user, timestamp, item.
        items: columns as in `Domain`; ids unique. Sorted by item.
        users: user_id and string columns; ids unique. Sorted by user; None if nothing is known.
    """
    log = interactions[list(INTERACTION_COLUMNS)].astype(_INTERACTION_TYPES)
    order = np.lexsort(
        (log["value"], _rank(log["event"]), _rank(log["item_id"]), log["timestamp"],
         _rank(log["user_id"]))
    )  # fmt: skip
    log = log.iloc[order].reset_index(drop=True)
    catalogue = items[list(ITEM_COLUMNS)].astype(_ITEM_TYPES)
    catalogue = catalogue.iloc[np.argsort(_rank(catalogue["item_id"]))].reset_index(drop=True)
    people = _everyone(log["user_id"], users)
    return Dataset(
        domain=domain,
        interactions=log,
        items=catalogue,
        users=people,
        fingerprint=fingerprint(log, catalogue, people),
        source=source,
        licence=licence,
        notes=notes,
    )


def _rank(values: pd.Series) -> NDArray[np.int64]:
    """Position of each value among the sorted distinct ones (by code point)."""
    codes, distinct = pd.factorize(values)
    order = np.argsort(np.asarray(distinct, dtype=object))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    found: NDArray[np.int64] = rank[codes]
    return found


def _everyone(in_log: pd.Series, users: pd.DataFrame | None) -> pd.DataFrame:
    known = pd.DataFrame({"user_id": []}) if users is None else users
    columns = [column for column in known.columns if column != "user_id"]
    described = known.set_index(known["user_id"].astype(str))[columns].astype(str)
    everyone = sorted(set(described.index) | set(in_log.unique()))
    table = described.reindex(everyone, fill_value="")
    table.insert(0, "user_id", pd.Series(everyone, index=table.index, dtype=str))
    return table.reset_index(drop=True).astype(str)


def fingerprint(interactions: pd.DataFrame, items: pd.DataFrame, users: pd.DataFrame) -> str:
    """40 hex digits over the values of the tables, in their order: the same on pandas 2.2 and 3."""
    digest = hashlib.blake2b(digest_size=20)
    for frame in (interactions, items, users):
        digest.update(json.dumps([len(frame), list(frame.columns)]).encode())
        for column in frame.columns:
            digest.update(_canonical(frame[column]))
    return digest.hexdigest()


def _canonical(values: pd.Series) -> bytes:
    if pd.api.types.is_bool_dtype(values.dtype):
        return values.to_numpy(np.uint8).tobytes()
    if pd.api.types.is_float_dtype(values.dtype):
        # + 0.0 turns -0.0 into 0.0; one bit pattern stands for every NaN.
        floats = values.to_numpy(np.float64) + 0.0
        return np.where(np.isnan(floats), np.nan, floats).astype("<f8").tobytes()
    codes, distinct = pd.factorize(values)
    return json.dumps(list(distinct)).encode() + codes.astype("<i4").tobytes()
