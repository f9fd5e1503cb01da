"""Many pages laid end to end as arrays, so that one calculation answers them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.noise import item_uniforms, key_of, leave_uniforms
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Slate

from .memory import Memory, Mood

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pages:
    """One page of each visit. Arrays `of slots` have one entry a slot of all pages in a row.

    Attributes:
        ids: of slots: item ids.
        visits: one a page.
        starts: of pages: where each page's slots begin. page: of slots: the number of the page.
        users: of slots: row of the page's user.
        items: of slots: position of the item in the model's catalogue.
        keys, visit_keys, nth: of slots: what the noise is counted by.
        slot: of slots: 1-based position on the page.
        fatigue: of slots. log_price: of slots, as shown now, NaN where there is none.
    """

    ids: Sequence[str]
    visits: Sequence[Visit]
    starts: NDArray[np.int64]
    page: NDArray[np.int64]
    users: NDArray[np.int64]
    items: NDArray[np.int64]
    keys: NDArray[np.uint64]
    visit_keys: NDArray[np.uint64]
    nth: NDArray[np.uint64]
    slot: Floats
    fatigue: Floats
    log_price: Floats

    @classmethod
    def of(
        cls,
        slates: Sequence[Slate],
        visits: Sequence[Visit],
        memories: Sequence[Memory | Mood],
        row_of: Mapping[str, int],
        position: Mapping[str, int],
        *,
        priced: bool = True,
    ) -> Pages:
        """Lay out pages.

        Args:
            row_of: user id -> row. position: item id -> position in the catalogue.
            priced: whether prices count.
        """
        sizes = np.array([len(slate.item_ids) for slate in slates])
        starts = np.cumsum(sizes) - sizes
        page = np.repeat(np.arange(len(slates)), sizes)
        ids = [item_id for slate in slates for item_id in slate.item_ids]
        prices = np.full(len(ids), np.nan)
        if priced:
            prices[:] = [
                item.price or np.nan
                for slate, visit in zip(slates, visits, strict=True)
                for item in map(visit.catalog.by_id.__getitem__, slate.item_ids)
            ]
        nth: list[int] = []
        for slate, memory in zip(slates, memories, strict=True):
            nth += map(memory.shown.get, slate.item_ids, repeat(0))
        return cls(
            ids=ids,
            visits=visits,
            starts=starts,
            page=page,
            users=np.array([row_of[visit.user_id] for visit in visits], np.int64)[page],
            items=np.fromiter(map(position.__getitem__, ids), np.int64, len(ids)),
            keys=np.fromiter(map(key_of, ids), np.uint64, len(ids)),
            visit_keys=np.array([visit.noise.key for visit in visits], np.uint64)[page],
            nth=np.array(nth, np.uint64),
            slot=(np.arange(len(ids)) - starts[page] + 1).astype(np.float64),
            fatigue=np.array([memory.fatigue for memory in memories])[page],
            log_price=np.log(prices),
        )

    def draw(self, event: str) -> Floats:
        """The noise of an event, one uniform in (0, 1) a slot."""
        return item_uniforms(self.visit_keys, self.keys, event, self.nth)

    def draw_leave(self) -> Floats:
        """The noise of leaving, one uniform in (0, 1) a page."""
        return leave_uniforms(
            np.array([visit.noise.key for visit in self.visits], np.uint64),
            np.array([visit.page for visit in self.visits], np.uint64),
        )
