"""Users' histories as the loop wants them: one short tuple a user, made when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator.types import Event, Interaction


@dataclass(frozen=True, slots=True)
class Histories:
    """Histories of many users, a few bytes for each event until they are asked for.

    An item stands once for each kind of event: a purchase with the number bought in all, a rating
    with the last stars given. Order: by the last time.

    Attributes:
        users: user id -> number of the user.
        starts: (users + 1,), where each user's events begin in the arrays below.
        items: position in `item_ids`. events: position in `kinds`. values, positive: as in
            `Interaction`.
    """

    users: Mapping[str, int]
    starts: NDArray[np.int64]
    item_ids: Sequence[str]
    kinds: Sequence[Event]
    items: NDArray[np.int32]
    events: NDArray[np.int8]
    values: NDArray[np.float64]
    positive: NDArray[np.bool_]

    @classmethod
    def of(cls, interactions: pd.DataFrame, user_ids: Iterable[str]) -> Histories:
        """From rows of the log, those of `user_ids` only."""
        rows = interactions[interactions["user_id"].isin(set(user_ids))]
        users, names = pd.factorize(rows["user_id"])
        items, item_ids = pd.factorize(rows["item_id"])
        events, kinds = pd.factorize(rows["event"])
        cells = (users * max(1, len(item_ids)) + items) * max(1, len(kinds)) + events
        grouped = (
            pd.DataFrame(
                {
                    "value": rows["value"].to_numpy(),
                    "positive": rows["positive"].to_numpy(),
                    "row": np.arange(len(rows)),
                }
            )
            .groupby(cells, sort=False)
            .agg(
                total=("value", "sum"),
                last=("value", "last"),
                positive=("positive", "last"),
                row=("row", "last"),
            )
        )
        last = grouped["row"].to_numpy(np.int64)
        order = np.lexsort((last, users[last]))
        last = last[order]
        bought = (rows["event"] == Event.PURCHASE.value).to_numpy(np.bool_)[last]
        values = np.where(
            bought, grouped["total"].to_numpy()[order], grouped["last"].to_numpy()[order]
        )
        return cls(
            users={str(name): number for number, name in enumerate(names)},
            starts=np.concatenate(([0], np.cumsum(np.bincount(users[last], minlength=len(names))))),
            item_ids=[str(item_id) for item_id in item_ids],
            kinds=[Event(kind) for kind in kinds],
            items=items[last].astype(np.int32),
            events=events[last].astype(np.int8),
            values=values.astype(np.float64),
            positive=grouped["positive"].to_numpy(np.bool_)[order],
        )

    def __call__(self, user_id: str) -> tuple[Interaction, ...]:
        """A user's history, oldest first; empty for a user without one."""
        if (number := self.users.get(user_id)) is None:
            return ()
        own = slice(self.starts[number], self.starts[number + 1])
        return tuple(
            map(
                Interaction,
                map(self.item_ids.__getitem__, self.items[own].tolist()),
                map(self.kinds.__getitem__, self.events[own].tolist()),
                self.values[own].tolist(),
                self.positive[own].tolist(),
            )
        )


def liked_items(rows: pd.DataFrame) -> dict[str, frozenset[str]]:
    """user -> items with a positive event."""
    liked = rows[rows["positive"]]
    return {str(user): frozenset(items) for user, items in liked.groupby("user_id")["item_id"]}
