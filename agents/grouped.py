"""Rows of a table by user, found without a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Grouped:
    """Rows sorted by user.

    Attributes:
        users: user id -> number of the user. starts: (users + 1,), where each user's rows begin.
        members: (rows,), what each row is about, as a position.
    """

    users: Mapping[str, int]
    starts: NDArray[np.int64]
    members: NDArray[np.int32]

    @classmethod
    def of(cls, user_ids: pd.Index[str], members: NDArray[np.int64]) -> Grouped:
        """From rows that are sorted by user."""
        codes, names = pd.factorize(user_ids)
        sizes = np.bincount(codes, minlength=len(names))
        return cls(
            users={str(name): number for number, name in enumerate(names)},
            starts=np.concatenate(([0], np.cumsum(sizes))),
            members=members.astype(np.int32),
        )

    def of_user(self, user_id: str) -> slice | None:
        """Where the user's rows are, or None if there are none."""
        if (number := self.users.get(user_id)) is None:
            return None
        return slice(int(self.starts[number]), int(self.starts[number + 1]))
