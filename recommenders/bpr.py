"""Matrix factorisation by Bayesian personalised ranking, through implicit."""

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
from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.types import RecRequest, Slate

from . import archive
from .config import AlgorithmConfig
from .factors import ItemFactors
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


class BprConfig(AlgorithmConfig):
    """Parameters of `BprRecommender`."""

    factors: Annotated[int, Field(ge=1)] = 64
    """Length of the vectors."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """Step of the stochastic gradient."""
    regularization: Annotated[float, Field(ge=0)] = 0.01
    """L2 penalty on vectors and item bias while fitting."""
    iterations: Annotated[int, Field(ge=1)] = 100
    """Passes over the interactions."""
    fold_in_regularization: Annotated[float, Field(gt=0)] = 10.0
    """L2 penalty on the vector of a folded-in user; larger trusts short histories less."""
    seed: int = 0
    """Of the initial vectors and the sampled pairs."""


@dataclass(frozen=True, slots=True)
class _FoldIn:
    """Solves for users. `contrast`: item vectors minus the average negative's, float64."""

    contrast: NDArray[np.float64]
    penalty: float

    def users(self, histories: csr_matrix) -> NDArray[np.float64]:
        """User vectors of shape (n_requests, n_factors), each from its own row alone."""
        n_factors = self.contrast.shape[1]
        ridge = self.penalty * np.eye(n_factors)
        users = np.zeros((histories.shape[0], n_factors))
        for row, (start, stop) in enumerate(
            zip(histories.indptr[:-1], histories.indptr[1:], strict=True)
        ):
            liked = self.contrast[histories.indices[start:stop]]
            weighted = liked * histories.data[start:stop, np.newaxis]
            users[row] = np.linalg.solve(weighted.T @ liked + ridge, weighted.sum(axis=0))
        return users


class BprRecommender:
    """Factors learned so that what a user took to outranks what not (Rendle et al. 2009).

    Item vectors y and biases stay as fitted. The user of a request is folded in by a ridge
    regression, the least-squares surrogate of BPR's pairwise loss: with m the mean vector of the
    items weighted by popularity (BPR samples its negatives so), x minimises
    sum over history items i of strength(i) * (1 - x . (y_i - m))^2 + fold_in_regularization |x|^2.
    The score is x . y + bias. A history without a known item is answered in order of popularity;
    items without interactions come last, by id.
    """

    def __init__(self, config: BprConfig | None = None) -> None:
        self.config = config or BprConfig()
        self._factors: ItemFactors | None = None
        self._fold_in: _FoldIn | None = None

    def fit(
        self,
        interactions: pd.DataFrame,
        *,
        items: pd.DataFrame | None = None,
        users: pd.DataFrame | None = None,  # noqa: ARG002
    ) -> Self:
        """Factorise. Raises UserError on missing columns, no positive rows, or divergence."""
        from implicit.bpr import BayesianPersonalizedRanking
        from implicit.recommender_base import ModelFitError

        index = catalogue(interactions, items)
        matrix = user_item_matrix(interactions, index, "bpr")
        model = BayesianPersonalizedRanking(
            factors=self.config.factors,
            learning_rate=self.config.learning_rate,
            regularization=self.config.regularization,
            iterations=self.config.iterations,
            use_gpu=False,
            num_threads=1,
            random_state=derive_seed("bpr", self.config.seed),
        )
        with single_threaded():
            try:
                model.fit(matrix.astype(np.float32), show_progress=False)
            except ModelFitError as error:
                raise UserError(
                    "recommender 'bpr' diverged (its vectors are not numbers): lower "
                    f"'learning_rate' below {self.config.learning_rate}."
                ) from error
        prior = popularity_prior(positive_counts(interactions, index))
        # implicit keeps the item bias as the last column.
        vectors, bias = model.item_factors[:, :-1].copy(), model.item_factors[:, -1].copy()
        self._adopt(ItemFactors(index, prior, vectors, bias))
        return self

    def _adopt(self, factors: ItemFactors) -> None:
        vectors = factors.vectors.astype(np.float64)
        popularity = factors.prior + 1.0
        negative = popularity @ vectors / popularity.sum()
        self._factors = factors
        self._fold_in = _FoldIn(vectors - negative, self.config.fold_in_regularization)

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        """One slate per request. Raises UserError before `fit`."""
        factors, fold_in = fitted(self._factors, "bpr"), fitted(self._fold_in, "bpr")

        def score(block: Sequence[RecRequest]) -> NDArray[np.float64]:
            histories = history_matrix(block, factors.index)
            return factors.scores(fold_in.users(histories), np.diff(histories.indptr) > 0)

        with single_threaded():
            return rank_all(requests, factors.index, score)

    def save(self, folder: Path) -> None:
        """Write to a folder. Raises UserError before `fit`."""
        factors = fitted(self._factors, "bpr")
        archive.write(folder, "bpr", self.config, factors.index, factors.arrays())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises UserError if it cannot be read."""
        config, index, arrays = archive.read(folder, "bpr", BprConfig, ItemFactors.ARRAYS)
        loaded = cls(config)
        loaded._adopt(ItemFactors.restore(index, arrays))
        return loaded
