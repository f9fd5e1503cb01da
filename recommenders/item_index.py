"""Which items a recommender knows, and the column each has in its arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ItemIndex:
    """The catalogue as columns 0..n-1.

    Attributes:
        ids: sorted and distinct, so that the order of columns is the order of ids: whatever breaks
            ties by column breaks them by id.
        columns: the column of each id.
    """

    ids: tuple[str, ...]
    columns: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = tuple(sorted(set(self.ids)))
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "columns", {item_id: i for i, item_id in enumerate(ids)})

    def __len__(self) -> int:
        return len(self.ids)

    def known(self, item_ids: Iterable[str]) -> NDArray[np.intp]:
        """The ascending, distinct columns of those ids that are in the catalogue."""
        columns = {column for i in item_ids if (column := self.columns.get(i)) is not None}
        return np.array(sorted(columns), np.intp)
