"""Histories of many users as matrices: what they had, how often, how lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
HALF_LIFE = 10.0  # events after which an event counts half, in `lately`


@dataclass(frozen=True, slots=True)
class Past:
    """Matrices (users, items).

    Attributes:
        had: 1 for an item the user had.
        times: log1p of how much of it.
        lately: 1 for the last event, halved with every `HALF_LIFE` events after it; at most 1.
    """

    had: sp.csr_matrix
    times: sp.csr_matrix
    lately: sp.csr_matrix

    @classmethod
    def of(
        cls, position: Mapping[str, int], histories: Sequence[Sequence[tuple[str, float]]]
    ) -> Past:
        """From (item, amount) histories, oldest first; items without a position are left out."""
        users = np.repeat(np.arange(len(histories)), [len(h) for h in histories])
        names = [item_id for history in histories for item_id, _ in history]
        items = np.fromiter(map(position.get, names, repeat(-1)), np.int64, len(names))
        amounts = np.array([amount for h in histories for _, amount in h], dtype=np.float64)
        known = items >= 0
        shape = (len(histories), len(position))
        return cls.of_rows(users[known], items[known], amounts[known], shape)

    @classmethod
    def of_rows(
        cls, users: Integers, items: Integers, amounts: Floats, shape: tuple[int, int]
    ) -> Past:
        """From events, (n,) each: sorted by user, each user's oldest first."""
        last = np.cumsum(np.bincount(users, minlength=shape[0]))[users] - 1
        age = last - np.arange(len(users))
        had = summed(users, items, np.ones(len(users)), shape)
        had.data = np.minimum(had.data, 1.0)
        times = summed(users, items, amounts, shape)
        times.data = np.log1p(np.maximum(times.data, 0.0))
        lately = summed(users, items, 0.5 ** (age / HALF_LIFE), shape)
        lately.data = np.minimum(lately.data, 1.0)
        return cls(had, times, lately)


def summed(
    users: Integers, items: Integers, values: Floats, shape: tuple[int, int]
) -> sp.csr_matrix:
    """(users, items) with the values of each cell added up."""
    matrix = sp.csr_matrix((values, (users, items)), shape=shape)
    matrix.sum_duplicates()
    return matrix
