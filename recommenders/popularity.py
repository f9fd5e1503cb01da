"""The most popular items, the same for everyone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator.types import RecRequest, Slate

from . import archive
from .config import AlgorithmConfig
from .item_index import ItemIndex
from .slate import rank
from .training_log import catalogue, fitted, positive_counts


class PopularityConfig(AlgorithmConfig):
    """`PopularityRecommender` has no parameters."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """Positive rows by item. `open`: items of later rows join the catalogue."""

    index: ItemIndex
    counts: NDArray[np.int64]
    open: bool


class PopularityRecommender:
    """Ranks by the number of positive rows in the log; the score is that number.

    A purchase counts once, whatever the quantity. Items without rows come last, by id.
    """

    def __init__(self, config: PopularityConfig | None = None) -> None:
        self.config = config or PopularityConfig()
        self._state: _Counts | None = None

    def fit(
        self,
        interactions: pd.DataFrame,
        *,
        items: pd.DataFrame | None = None,
        users: pd.DataFrame | None = None,  # noqa: ARG002
    ) -> Self:
        """Count from scratch. Raises UserError on missing columns or an empty catalogue."""
        index = catalogue(interactions, items)
        self._state = _Counts(index, positive_counts(interactions, index), open=items is None)
        return self

    def partial_fit(self, interactions: pd.DataFrame) -> Self:
        """Count these rows too: the same as one `fit` on all rows together."""
        state = fitted(self._state, "popularity")
        if interactions.empty:
            return self
        index = catalogue(interactions, None)
        index = ItemIndex(state.index.ids + index.ids) if state.open else state.index
        counts = positive_counts(interactions, index)
        counts[index.known(state.index.ids)] += state.counts
        self._state = _Counts(index, counts, state.open)
        return self

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        """One slate per request. Raises UserError before `fit`."""
        state = fitted(self._state, "popularity")
        scores = state.counts.astype(np.float64)
        return [rank(scores, request, state.index) for request in requests]

    def save(self, folder: Path) -> None:
        """Write to a folder. Raises UserError before `fit`."""
        state = fitted(self._state, "popularity")
        arrays = {"counts": state.counts, "open": np.array(state.open)}
        archive.write(folder, "popularity", self.config, state.index, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises UserError if it cannot be read."""
        config, index, arrays = archive.read(
            folder, "popularity", PopularityConfig, ("counts", "open")
        )
        loaded = cls(config)
        loaded._state = _Counts(index, arrays["counts"], bool(arrays["open"]))
        return loaded
