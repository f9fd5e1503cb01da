"""Many pages laid end to end as arrays, so that one calculation answers them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.noise import item_uniforms, key_of, leave_uniforms
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Slate

from .memory import Memory

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pages:
    """One page of each visit. Arrays `of slots` have one entry a slot of all pages in a row.

    Attributes:
        slates, visits, memories: one a page.
        starts: of pages: where each page's slots begin.
        users: of slots: row of the page's user.
        items: of slots: position of the item in the model's catalogue.
        keys, visit_keys, nth: of slots: what the noise is counted by.
        slot: of slots: 1-based position on the page.
        fatigue: of slots. log_price: of slots, as shown now, NaN where there is none.
    """

    slates: Sequence[Slate]
    visits: Sequence[Visit]
    memories: Sequence[Memory]
    starts: NDArray[np.int64]
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
        memories: Sequence[Memory],
        row_of: Mapping[str, int],
        position: Mapping[str, int],
    ) -> Pages:
        """Lay out pages.

        Args:
            row_of: user id -> row. position: item id -> position in the catalogue.
        """
        sizes = [len(slate.item_ids) for slate in slates]
        shown = [
            (item_id, visit, memory)
            for slate, visit, memory in zip(slates, visits, memories, strict=True)
            for item_id in slate.item_ids
        ]
        prices = [visit.catalog[item_id].price or np.nan for item_id, visit, _ in shown]
        return cls(
            slates=slates,
            visits=visits,
            memories=memories,
            starts=np.cumsum([0, *sizes[:-1]]),
            users=np.array([row_of[visit.user_id] for _, visit, _ in shown], np.int64),
            items=np.array([position[item_id] for item_id, _, _ in shown], np.int64),
            keys=np.array([key_of(item_id) for item_id, _, _ in shown], np.uint64),
            visit_keys=np.array([visit.noise.key for _, visit, _ in shown], np.uint64),
            nth=np.array([memory.shown[item_id] for item_id, _, memory in shown], np.uint64),
            slot=np.concatenate([np.arange(1.0, size + 1) for size in sizes]),
            fatigue=np.array([memory.fatigue for _, _, memory in shown]),
            log_price=np.log(np.array(prices, dtype=np.float64)),
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
