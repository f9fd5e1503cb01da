"""Taste of a user from the user's history: factors of the log, and attributes.

Factors: PureSVD (Cremonesi, Koren and Turrin 2010): a truncated SVD of the user-item matrix; a new
user is folded in by projection, score = h V V'. Attributes: cosine of the history's summed tf-idf
attribute profile with the item's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

from focusgroup.simulator.types import Catalog

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ItemIndex:
    """Positions of items in the arrays of a model, and their attribute profiles.

    Attributes:
        attributes: (items, attributes), tf-idf, rows of length 1 or 0.
    """

    position: dict[str, int]
    attributes: sp.csr_matrix

    @classmethod
    def of(cls, catalog: Catalog) -> ItemIndex:
        position = {item_id: n for n, item_id in enumerate(catalog)}
        names = sorted({a for item in catalog.values() for a in item.attributes})
        column = {name: n for n, name in enumerate(names)}
        pairs = [
            (row, column[a])
            for row, item in enumerate(catalog.values())
            for a in dict.fromkeys(item.attributes)
        ]
        rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
        counts = sp.csr_matrix(
            (np.ones(len(pairs)), (rows, columns)), shape=(len(catalog), max(1, len(names)))
        )
        return cls(position, sp.csr_matrix(TfidfTransformer().fit_transform(counts)))


def history_matrix(
    index: ItemIndex, histories: Sequence[Sequence[tuple[str, float]]]
) -> sp.csr_matrix:
    """(users, items) of log1p of summed weights; items outside the catalogue are left out."""
    rows, columns, weights = [], [], []
    for row, history in enumerate(histories):
        for item_id, weight in history:
            if (column := index.position.get(item_id)) is not None:
                rows.append(row)
                columns.append(column)
                weights.append(weight)
    matrix = sp.csr_matrix(
        (np.asarray(weights, dtype=np.float64), (rows, columns)),
        shape=(len(histories), len(index.position)),
    )
    matrix.sum_duplicates()
    matrix.data = np.log1p(np.maximum(matrix.data, 0.0))
    return matrix


@dataclass(frozen=True, slots=True)
class Taste:
    """Factors (items, d) learned from a history matrix."""

    factors: Floats

    @classmethod
    def fit(cls, matrix: sp.csr_matrix, seed: int, dimensions: int = 32) -> Taste:
        """`dimensions` is lowered where the matrix is small; of one item there is no taste."""
        users, items = matrix.shape
        if matrix.nnz == 0 or items < 2:
            return cls(np.zeros((items, 1)))
        d = max(1, min(dimensions, users - 1, items - 1))
        with np.errstate(invalid="ignore", divide="ignore"):  # of a variance nobody asked for
            svd = TruncatedSVD(d, random_state=seed % 2**32).fit(matrix)
        return cls(np.ascontiguousarray(svd.components_.T))

    def users(self, matrix: sp.csr_matrix) -> Floats:
        """Folded-in users, (users, d)."""
        return np.asarray(matrix @ self.factors)


def attribute_profiles(index: ItemIndex, matrix: sp.csr_matrix) -> Floats:
    """Users' attribute profiles, (users, attributes), rows of length 1 or 0."""
    return np.asarray(normalize(matrix @ index.attributes).todense())
