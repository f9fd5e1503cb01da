"""A table of values as they stand in a file, which remembers where each row came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

Place = tuple[str, int]
Places = Callable[[Sequence[int]], list[Place]]


@dataclass(frozen=True, slots=True)
class RawTable:
    """Raw values of one file (or of several of one shape, one after the other).

    Attributes:
        name: the file, as errors name it.
        frame: the values as they stand, index 0..n-1.
        places: (file, 1-based row) of each of some row numbers.
    """

    name: str
    frame: pd.DataFrame
    places: Places

    def __len__(self) -> int:
        return len(self.frame)


def raw_frame(name: str, frame: pd.DataFrame) -> RawTable:
    """A frame that came from no text file: rows are counted from 1."""
    return RawTable(
        name, frame.reset_index(drop=True), lambda rows: [(name, int(row) + 1) for row in rows]
    )


def joined(tables: Sequence[RawTable]) -> RawTable:
    """Tables of one shape as one; each row keeps the place it came from."""
    if len(tables) == 1:
        return tables[0]
    ends = np.cumsum([len(table) for table in tables])

    def places(rows: Sequence[int]) -> list[Place]:
        found: list[Place] = []
        for row in rows:
            part = int(np.searchsorted(ends, row, side="right"))
            start = int(ends[part]) - len(tables[part])
            found += tables[part].places([int(row) - start])
        return found

    frame = pd.concat([table.frame for table in tables], ignore_index=True)
    return RawTable(" + ".join(table.name for table in tables), frame, places)
