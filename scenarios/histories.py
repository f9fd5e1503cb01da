"""Users' histories as the loop wants them: one short tuple a user, made when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from focusgroup.simulator.types import Event, Interaction


@dataclass(frozen=True, slots=True)
class Histories:
    """Histories of many users.

    An item stands once for each kind of event: a purchase with the number bought in all, a rating
    with the last stars given. Order: by the last time.
    """

    rows: pd.DataFrame
    bounds: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, interactions: pd.DataFrame, user_ids: Iterable[str]) -> Histories:
        """From rows of the log, those of `user_ids` only."""
        rows = interactions[interactions["user_id"].isin(set(user_ids))]
        grouped = (
            rows.assign(order=np.arange(len(rows)))
            .groupby(["user_id", "item_id", "event"], as_index=False, sort=True)
            .agg(
                total=("value", "sum"),
                last=("value", "last"),
                positive=("positive", "last"),
                order=("order", "last"),
            )
            .sort_values(["user_id", "order"], kind="stable")
            .reset_index(drop=True)
        )
        bought = grouped["event"] == Event.PURCHASE.value
        grouped["value"] = grouped["total"].where(bought, grouped["last"])
        users = grouped["user_id"].to_numpy()
        changes = np.flatnonzero(users[1:] != users[:-1]) + 1
        edges = [0, *(int(n) for n in changes), len(users)] if len(users) else [0]
        bounds = {str(users[s]): (s, e) for s, e in pairwise(edges)}
        return cls(grouped[["item_id", "event", "value", "positive"]], bounds)

    def __call__(self, user_id: str) -> tuple[Interaction, ...]:
        """A user's history, oldest first; empty for a user without one."""
        start, end = self.bounds.get(user_id, (0, 0))
        part = self.rows.iloc[start:end]
        return tuple(
            Interaction(str(item), Event(event), float(value), bool(positive))
            for item, event, value, positive in zip(
                part["item_id"], part["event"], part["value"], part["positive"], strict=True
            )
        )


def liked_items(rows: pd.DataFrame) -> dict[str, frozenset[str]]:
    """user -> items with a positive event."""
    liked = rows[rows["positive"]]
    return {str(user): frozenset(items) for user, items in liked.groupby("user_id")["item_id"]}
