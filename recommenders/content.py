"""Items whose text resembles that of the history: needs no other users."""

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

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import RecRequest, Slate

from . import archive
from .config import AlgorithmConfig
from .item_index import ItemIndex
from .item_text import embedded_vectors, tfidf_vectors, unit_rows
from .single_thread import single_threaded
from .slate import DECIMALS, rank_all
from .training_log import (
    catalogue,
    fitted,
    history_matrix,
    popularity_prior,
    positive_counts,
    require_columns,
)


class ContentConfig(AlgorithmConfig):
    """Parameters of `ContentRecommender`."""

    embedding: Annotated[str, Field(min_length=1)] | None = None
    """A model2vec model (folder or hub name) to use instead of TF-IDF."""


@dataclass(frozen=True, slots=True)
class _Texts:
    """`vectors`: unit rows, one per item; sparse for TF-IDF, dense for embeddings."""

    index: ItemIndex
    prior: NDArray[np.float64]
    vectors: csr_matrix | NDArray[np.float64]

    def similarity(self, histories: csr_matrix) -> NDArray[np.float64]:
        """Cosine of each history's profile with each item, shape (n_histories, n_items)."""
        if isinstance(self.vectors, np.ndarray):
            profiles = unit_rows(np.asarray(histories @ self.vectors))
            return np.asarray(profiles @ self.vectors.T)
        sums = csr_matrix(histories @ self.vectors)
        lengths = np.sqrt(np.asarray(sums.multiply(sums).sum(axis=1)).ravel())
        cosines = (sums @ self.vectors.T).toarray() / np.where(lengths > 0.0, lengths, 1.0)[:, None]
        return np.asarray(cosines)


class ContentRecommender:
    """Scores an item by the cosine of its text with the history's: works for items nobody took yet.

    The profile is the sum of strength(i) * text(i) over the history. Items that share nothing with
    it (cosine not above 0) follow in order of popularity; so an empty history is answered with the
    popular items.
    """

    def __init__(self, config: ContentConfig | None = None) -> None:
        self.config = config or ContentConfig()
        self._state: _Texts | None = None

    def fit(
        self,
        interactions: pd.DataFrame,
        *,
        items: pd.DataFrame | None = None,
        users: pd.DataFrame | None = None,  # noqa: ARG002
    ) -> Self:
        """Read the items. Raises UserError without items, text, or a model that was asked for."""
        if items is None:
            raise UserError("recommender 'content' needs the table of items: fit(..., items=...).")
        require_columns(items, ("item_id", "title", "attributes", "description"), "items")
        index = catalogue(interactions, items)
        ordered = items.set_index("item_id").loc[list(index.ids)]
        model = self.config.embedding
        vectors = tfidf_vectors(ordered) if model is None else embedded_vectors(ordered, model)
        self._state = _Texts(index, popularity_prior(positive_counts(interactions, index)), vectors)
        return self

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        """One slate per request. Raises UserError before `fit`."""
        state = fitted(self._state, "content")

        def score(block: Sequence[RecRequest]) -> NDArray[np.float64]:
            cosines = np.round(state.similarity(history_matrix(block, state.index)), DECIMALS)
            return np.where(cosines > 0.0, cosines, cosines + state.prior)

        with single_threaded():
            return rank_all(requests, state.index, score)

    def save(self, folder: Path) -> None:
        """Write to a folder. Raises UserError before `fit`."""
        state = fitted(self._state, "content")
        vectors = archive.sparse_arrays(csr_matrix(state.vectors))
        arrays = {"prior": state.prior, **vectors}
        archive.write(folder, "content", self.config, state.index, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the embedding model is not needed again.

        Raises:
            UserError: it cannot be read.
        """
        config, index, arrays = archive.read(
            folder, "content", ContentConfig, ("prior", *archive.SPARSE)
        )
        loaded = cls(config)
        vectors = archive.sparse_matrix(arrays)
        dense = config.embedding is not None
        loaded._state = _Texts(index, arrays["prior"], vectors.toarray() if dense else vectors)
        return loaded
