"""What sets a user's choices apart: attributes met more often, or less, than with everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .grouped import Grouped


@dataclass(frozen=True, slots=True)
class Salience:
    """Counts of attributes among the choices of many users; z-scores are made when asked for.

    Attributes:
        attributes: names, sorted. share: (attributes,), of all choices that carry each.
        carried: of each user: attributes as positions, and `counts` of them.
        chosen: user id -> number of choices.
    """

    attributes: Sequence[str]
    share: NDArray[np.float64]
    carried: Grouped
    counts: NDArray[np.int64]
    chosen: Mapping[str, int]

    @classmethod
    def of(cls, chosen: pd.DataFrame, carried: pd.DataFrame) -> Salience:
        """From choices, and the same choices with a row for each attribute of their item."""
        sizes = carried.groupby(["user_id", "attribute"]).size()
        codes, attributes = pd.factorize(sizes.index.get_level_values("attribute"), sort=True)
        counts = sizes.to_numpy().astype(np.int64)
        total = np.zeros(len(attributes), np.int64)
        np.add.at(total, codes, counts)
        users = sizes.index.get_level_values("user_id")
        return cls(
            attributes=[str(name) for name in attributes],
            share=total / max(1, len(chosen)),
            carried=Grouped.of(users, codes),
            counts=counts,
            chosen={str(user): int(n) for user, n in chosen.groupby("user_id").size().items()},
        )

    def of_user(self, user_id: str) -> NDArray[np.float64] | None:
        """Binomial z-scores of the user's counts against everybody's share, (attributes,).

        None for a user none of whose choices carries anything.
        """
        if (own := self.carried.of_user(user_id)) is None:
            return None
        counts = np.zeros(len(self.attributes), np.int64)
        counts[self.carried.members[own]] = self.counts[own]
        n = self.chosen[user_id]
        spread = np.sqrt(n * self.share * (1 - np.minimum(self.share, 0.999)))
        return np.asarray((counts - n * self.share) / spread)
