"""Random items: the floor every recommender must beat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.types import RecRequest, Slate

from . import archive
from .config import AlgorithmConfig
from .item_index import ItemIndex
from .slate import allowed_columns
from .training_log import catalogue, fitted


class RandomConfig(AlgorithmConfig):
    """Parameters of `RandomRecommender`."""

    seed: int = 0
    """Mixed with the seed of each request."""


class RandomRecommender:
    """Draws k of the n allowed items, each set and order equally likely, by the request's seed.

    The propensity of a shown item is k / n. The whole catalogue takes part.
    """

    def __init__(self, config: RandomConfig | None = None) -> None:
        self.config = config or RandomConfig()
        self._index: ItemIndex | None = None

    def fit(
        self,
        interactions: pd.DataFrame,
        *,
        items: pd.DataFrame | None = None,
        users: pd.DataFrame | None = None,  # noqa: ARG002
    ) -> Self:
        """Learn which items exist. Raises UserError where there are none."""
        self._index = catalogue(interactions, items)
        return self

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        """One slate per request, with propensities. Raises UserError before `fit`."""
        index = fitted(self._index, "random")
        return [self._draw(request, index) for request in requests]

    def _draw(self, request: RecRequest, index: ItemIndex) -> Slate:
        allowed = allowed_columns(request, index)
        k = min(request.k, len(allowed))
        rng = np.random.default_rng(derive_seed("random", self.config.seed, request.seed))
        drawn = allowed[rng.choice(len(allowed), size=k, replace=False)] if k else allowed
        shown = tuple(index.ids[column] for column in drawn)
        return Slate(shown, propensities=tuple(k / len(allowed) for _ in shown))

    def save(self, folder: Path) -> None:
        """Write to a folder. Raises UserError before `fit`."""
        archive.write(folder, "random", self.config, fitted(self._index, "random"), {})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises UserError if it cannot be read."""
        config, index, _ = archive.read(folder, "random", RandomConfig)
        loaded = cls(config)
        loaded._index = index
        return loaded
