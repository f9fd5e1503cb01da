"""A dataset: three tables, and what it is about."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from focusgroup.simulator.domain import Domain
from focusgroup.simulator.types import Catalog, Item

INTERACTION_COLUMNS = ("user_id", "item_id", "event", "value", "positive", "timestamp")
ITEM_COLUMNS = ("item_id", "title", "attributes", "description", "price")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Interactions, items and users of one log; columns and dtypes as in `Domain`.

    Attributes:
        fingerprint: hash of the content of the three tables, the same on every machine.
        source: where the data comes from, for a reader.
        licence: what may be done with it, for a reader.
        notes: what a reader of results must know about how the tables were made.
    """

    domain: Domain
    interactions: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame
    fingerprint: str
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()

    def catalog(self) -> Catalog:
        """The items as objects, in the order of the table."""
        rows = zip(*(self.items[column] for column in ITEM_COLUMNS), strict=True)
        return Catalog(
            {
                item_id: Item(item_id, title, tuple(attributes), description, _price(price))
                for item_id, title, attributes, description, price in rows
            }
        )


def _price(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
