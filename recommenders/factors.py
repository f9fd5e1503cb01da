"""Scores from item factors that stay as they were fitted, for users folded in from history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .archive import Array
from .item_index import ItemIndex


@dataclass(frozen=True, slots=True)
class ItemFactors:
    """What a matrix factorisation keeps of the log.

    Attributes:
        prior: popularity as a score, shape (n_items,), -1 where an item was never taken to.
        vectors: shape (n_items, n_factors), float32 as implicit computes them.
        bias: shape (n_items,).
    """

    ARRAYS: ClassVar[tuple[str, ...]] = ("prior", "vectors", "bias")

    index: ItemIndex
    prior: NDArray[np.float64]
    vectors: NDArray[np.float32]
    bias: NDArray[np.float32]

    def scores(
        self, users: NDArray[np.floating], has_history: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Scores of shape (n_users, n_items): user . item + bias.

        Items without interactions have no learned factors and score 1 below the user's lowest.
        Users without history get the popularity prior.
        """
        scores = users.astype(np.float64) @ self.vectors.T.astype(np.float64) + self.bias
        cold = self.prior <= -1.0
        scores[:, cold] = scores.min(axis=1, keepdims=True) - 1.0
        scores[~has_history] = self.prior
        return scores

    def arrays(self) -> dict[str, Array]:
        """What `restore` needs besides the index."""
        return {"prior": self.prior, "vectors": self.vectors, "bias": self.bias}

    @classmethod
    def restore(cls, index: ItemIndex, arrays: dict[str, Array]) -> ItemFactors:
        """The inverse of `arrays`."""
        return cls(index, arrays["prior"], arrays["vectors"], arrays["bias"])
