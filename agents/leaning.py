"""What kinds of items a user leans to, beyond what everybody does: by attribute, by year.

log of (share of the user's items of a kind / share of all items taken), with pseudo-items of
everybody's in the user's share. Years are read off titles ("The Matrix (1999)") and spread over the
years around, so that neighbours count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from focusgroup.simulator.types import Catalog

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
PSEUDO_ITEMS = 4.0
YEARS_AROUND = 2.0  # standard deviation
_YEAR = re.compile(r"\b(1[5-9]\d\d|20\d\d)\b")


@dataclass(frozen=True, slots=True)
class Leaning:
    """Kinds of items, and how common each is.

    Attributes:
        kinds: (items, kinds), 1 for the kinds an item is of; rows may be empty.
        counted: (items, kinds), what an item of a history adds to each kind.
        share: (kinds,), of the items that everybody took, in (0, 1].
    """

    kinds: sp.csr_matrix
    counted: sp.csr_matrix
    share: Floats

    @classmethod
    def fit(cls, kinds: sp.csr_matrix, counted: sp.csr_matrix, taken: Floats) -> Leaning:
        """Learn shares from how many users took each item, (items,)."""
        known = (counted.getnnz(axis=1) > 0).astype(np.float64)
        share = (np.asarray(taken @ counted).ravel() + 0.5) / (float(taken @ known) + 1)
        return cls(kinds, counted, share)

    def users(self, matrix: sp.csr_matrix) -> Floats:
        """Leanings of users from weights of items (users, items): (users, kinds)."""
        known = (self.counted.getnnz(axis=1) > 0).astype(np.float64)
        each = np.asarray((matrix @ self.counted).todense())
        total = np.asarray(matrix @ known)[:, None]
        return np.asarray(
            np.log((each + PSEUDO_ITEMS * self.share) / ((total + PSEUDO_ITEMS) * self.share))
        )

    def of(self, users: Floats, rows: Integers, items: Integers) -> Floats:
        """Mean leaning of user rows[i] to the kinds of item items[i], (n,); 0 if it is of none."""
        own = self.kinds[items]
        sizes = np.diff(own.indptr)
        pair = np.repeat(np.arange(len(items)), sizes)
        total = np.bincount(pair, users[rows[pair], own.indices], len(items))
        return np.asarray(total / np.maximum(1, sizes))


def year_kinds(catalog: Catalog) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Years of items as (kinds, counted); the last year a title mentions is the item's."""
    found = [_YEAR.findall(item.title)[-1:] for item in catalog.values()]
    rows = np.array([row for row, years in enumerate(found) if years], dtype=np.int64)
    years = np.array([int(each[0]) for each in found if each], dtype=np.int64)
    first, last = (int(years.min()), int(years.max())) if len(years) else (0, 0)
    kinds = sp.csr_matrix(
        (np.ones(len(rows)), (rows, years - first)), shape=(len(found), last - first + 1)
    )
    apart = np.subtract.outer(np.arange(kinds.shape[1]), np.arange(kinds.shape[1]))
    near = np.exp(-0.5 * (apart / YEARS_AROUND) ** 2)
    near[np.abs(apart) > 4 * YEARS_AROUND] = 0.0
    return kinds, sp.csr_matrix(kinds @ sp.csr_matrix(near / near.sum(axis=1, keepdims=True)))
