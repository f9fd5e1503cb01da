"""Item-item neighbours: "people who liked this also liked"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_matrix

from focusgroup.simulator.types import RecRequest, Slate

from . import archive
from .config import AlgorithmConfig
from .item_index import ItemIndex
from .single_thread import single_threaded
from .slate import rank_all
from .training_log import (
    catalogue,
    fitted,
    history_matrix,
    popularity_prior,
    positive_counts,
    user_item_matrix,
)


class ItemKnnConfig(AlgorithmConfig):
    """Parameters of `ItemKnnRecommender`."""

    neighbours: Annotated[int, Field(ge=1)] = 50
    """How many nearest items each item keeps; itself is not one of them."""


@dataclass(frozen=True, slots=True)
class _Neighbours:
    index: ItemIndex
    prior: NDArray[np.float64]
    similarity: csr_matrix


class ItemKnnRecommender:
    """Scores an item by the sum of its cosine similarities to the items of the history.

    score(j) = sum over history items i of strength(i) * cos(i, j), where cos compares the columns
    of the user-item matrix and is kept for the nearest `neighbours` of i (Deshpande, Karypis 2004,
    "Item-Based Top-N Recommendation Algorithms"). Items that no neighbour supports follow in order
    of popularity (scores in [-1, 0]); so an empty history is answered with the popular items, and
    items without interactions come last, by id.
    """

    def __init__(self, config: ItemKnnConfig | None = None) -> None:
        self.config = config or ItemKnnConfig()
        self._state: _Neighbours | None = None

    def fit(
        self,
        interactions: pd.DataFrame,
        *,
        items: pd.DataFrame | None = None,
        users: pd.DataFrame | None = None,  # noqa: ARG002
    ) -> Self:
        """Find the neighbours. Raises UserError on missing columns or no positive rows."""
        from implicit.nearest_neighbours import ItemItemRecommender
        from sklearn.preprocessing import normalize

        index = catalogue(interactions, items)
        matrix = user_item_matrix(interactions, index, "item_knn")
        # Normalised here because implicit's CosineRecommender warns about its own conversion.
        model = ItemItemRecommender(K=self.config.neighbours + 1, num_threads=1)
        with single_threaded():
            model.fit(csr_matrix(normalize(matrix, axis=0)), show_progress=False)
        nearest = model.similarity.tocoo()
        others = nearest.row != nearest.col
        cells = (nearest.data[others], (nearest.row[others], nearest.col[others]))
        similarity = csr_matrix(cells, shape=nearest.shape)
        prior = popularity_prior(positive_counts(interactions, index))
        self._state = _Neighbours(index, prior, similarity)
        return self

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        """One slate per request. Raises UserError before `fit`."""
        state = fitted(self._state, "item_knn")

        def score(block: Sequence[RecRequest]) -> NDArray[np.float64]:
            support = (history_matrix(block, state.index) @ state.similarity).toarray()
            return np.where(support > 0.0, support, state.prior)

        return rank_all(requests, state.index, score)

    def save(self, folder: Path) -> None:
        """Write to a folder. Raises UserError before `fit`."""
        state = fitted(self._state, "item_knn")
        arrays = {"prior": state.prior, **archive.sparse_arrays(state.similarity)}
        archive.write(folder, "item_knn", self.config, state.index, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises UserError if it cannot be read."""
        config, index, arrays = archive.read(
            folder, "item_knn", ItemKnnConfig, ("prior", *archive.SPARSE)
        )
        loaded = cls(config)
        loaded._state = _Neighbours(index, arrays["prior"], archive.sparse_matrix(arrays))
        return loaded
