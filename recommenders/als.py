"""Matrix factorisation by alternating least squares, through implicit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

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

if TYPE_CHECKING:
    from implicit.cpu.als import AlternatingLeastSquares


class AlsConfig(AlgorithmConfig):
    """Parameters of `AlsRecommender`."""

    factors: Annotated[int, Field(ge=1)] = 32
    """Length of the vectors."""
    regularization: Annotated[float, Field(gt=0)] = 1.0
    """L2 penalty on the vectors."""
    alpha: Annotated[float, Field(gt=0)] = 5.0
    """Confidence in an observed pair, per unit of strength; an unobserved pair has 1."""
    iterations: Annotated[int, Field(ge=1)] = 15
    """Passes over users and items."""
    seed: int = 0
    """Of the initial vectors."""


class AlsRecommender:
    """Weighted matrix factorisation (Hu, Koren, Volinsky 2008), users folded in.

    Item vectors stay as fitted. The user of a request is the closed-form solution of the user step
    for the request's history: x = (Y'Y + Y'(C - I)Y + regularization I)^-1 Y'C 1. A history without
    a known item is answered in order of popularity; items without interactions come last, by id.
    """

    def __init__(self, config: AlsConfig | None = None) -> None:
        self.config = config or AlsConfig()
        self._factors: ItemFactors | None = None
        self._model: AlternatingLeastSquares | None = None

    def fit(
        self,
        interactions: pd.DataFrame,
        *,
        items: pd.DataFrame | None = None,
        users: pd.DataFrame | None = None,  # noqa: ARG002
    ) -> Self:
        """Factorise. Raises UserError on missing columns, no positive rows, or divergence."""
        from implicit.recommender_base import ModelFitError

        index = catalogue(interactions, items)
        matrix = user_item_matrix(interactions, index, "als")
        with single_threaded():
            model = self._new_model()
            try:
                model.fit(matrix.astype(np.float32), show_progress=False)
            except ModelFitError as error:
                raise UserError(
                    "recommender 'als' diverged (its vectors are not numbers): raise "
                    f"'regularization' above {self.config.regularization} or lower 'alpha'."
                ) from error
        prior = popularity_prior(positive_counts(interactions, index))
        bias = np.zeros(len(index), np.float32)
        self._adopt(ItemFactors(index, prior, model.item_factors, bias))
        return self

    def _new_model(self) -> AlternatingLeastSquares:
        from implicit.cpu.als import AlternatingLeastSquares

        return AlternatingLeastSquares(
            factors=self.config.factors,
            regularization=self.config.regularization,
            alpha=self.config.alpha,
            iterations=self.config.iterations,
            num_threads=1,
            random_state=derive_seed("als", self.config.seed),
        )

    def _adopt(self, factors: ItemFactors) -> None:
        # A fresh model, so that a loaded recommender and a fitted one compute alike.
        with single_threaded():
            self._model = self._new_model()
        self._model.item_factors = factors.vectors
        self._factors = factors

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        """One slate per request. Raises UserError before `fit`."""
        factors, model = fitted(self._factors, "als"), fitted(self._model, "als")

        def score(block: Sequence[RecRequest]) -> NDArray[np.float64]:
            histories = history_matrix(block, factors.index)
            users = model.recalculate_user(np.arange(len(block)), histories)
            return factors.scores(users, np.diff(histories.indptr) > 0)

        with single_threaded():
            return rank_all(requests, factors.index, score)

    def save(self, folder: Path) -> None:
        """Write to a folder. Raises UserError before `fit`."""
        factors = fitted(self._factors, "als")
        archive.write(folder, "als", self.config, factors.index, factors.arrays())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises UserError if it cannot be read."""
        config, index, arrays = archive.read(folder, "als", AlsConfig, ItemFactors.ARRAYS)
        loaded = cls(config)
        loaded._adopt(ItemFactors.restore(index, arrays))
        return loaded
