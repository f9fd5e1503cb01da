"""Items that tell a user from the others: rated higher, taken more often, carrying the tastes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator.types import Catalog

from .excerpt import known_as
from .grouped import Grouped
from .most import most

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TellingItems:
    """What many users did to items, beside what everybody does; ranked when a user is asked for.

    Attributes:
        own: items of each user, as positions in `item_ids`. Of each, stars (mean, NaN if unrated),
            times (events), positive (whether any event was).
        all_stars, all_times, all_users: the same of everybody, (items,).
    """

    catalog: Catalog
    item_ids: Sequence[str]
    own: Grouped
    stars: Floats
    times: NDArray[np.int32]
    positive: NDArray[np.bool_]
    all_stars: Floats
    all_times: NDArray[np.int64]
    all_users: NDArray[np.int64]

    @classmethod
    def of(cls, log: pd.DataFrame, catalog: Catalog) -> TellingItems:
        """From rows of a log in canonical order, of items of the catalogue."""
        rated = log.assign(stars=log["value"].where(log["event"] == "rate"))
        everyone = rated.groupby("item_id").agg(
            stars=("stars", "mean"), times=("value", "size"), users=("user_id", "nunique")
        )
        each = rated.groupby(["user_id", "item_id"]).agg(
            stars=("stars", "mean"), times=("value", "size"), positive=("positive", "any")
        )
        items = everyone.index.get_indexer(each.index.get_level_values("item_id"))
        return cls(
            catalog=catalog,
            item_ids=[str(item_id) for item_id in everyone.index],
            own=Grouped.of(each.index.get_level_values("user_id"), items),
            stars=each["stars"].to_numpy(np.float64),
            times=each["times"].to_numpy(np.int32),
            positive=each["positive"].to_numpy(np.bool_),
            all_stars=everyone["stars"].to_numpy(np.float64),
            all_times=everyone["times"].to_numpy(np.int64),
            all_users=everyone["users"].to_numpy(np.int64),
        )

    def of_user(
        self, user_id: str, tastes: frozenset[str], limit: int
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The items in one line each that a user likes best, and half as many liked least."""
        if (own := self.own.of_user(user_id)) is None:
            return (), ()
        items, positive = self.own.members[own], self.positive[own]
        ids = [self.item_ids[i] for i in items]
        above = np.nan_to_num(self.stars[own] - self.all_stars[items])
        users = self.all_users[items]
        more_often = np.log(self.times[own] * users / self.all_times[items])
        carried = np.array([len(tastes.intersection(self.catalog[i].attributes)) for i in ids])
        known = 0.1 * np.log1p(users)
        up = above + more_often + 0.5 * carried + known
        liked = most(ids, up, positive, limit)
        disliked = most(ids, known - above, ~positive, limit // 2)
        return self._lines(liked), self._lines(disliked)

    def _lines(self, ids: Sequence[str]) -> tuple[str, ...]:
        return tuple(known_as(self.catalog[i]) for i in ids)
