"""Duels without a language model: the page of which the behaviour model expects more engagement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from focusgroup.simulator.types import Interaction

from .behaviour import BehaviourModel
from .choice import sigmoid
from .duel import Bout, Preference

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ExpectedDuels:
    """Users who duel by the calibrated behaviour model (a `BatchDuelJudge`).

    The number of items a user engages with on a page is a sum of independent draws, of mean sum p
    and variance sum p (1 - p). The chance that the first page yields more than the second is taken
    from the normal approximation of the difference; what is assumed of slots plays no part, so
    neither does the order of the pages.

    Attributes:
        history: a user's log interactions.
    """

    model: BehaviourModel
    history: Callable[[str], Sequence[Interaction]]

    def prefer_many(self, bouts: Sequence[Bout]) -> list[Preference]:
        """One preference a bout; an item the model does not know counts as nothing."""
        if not bouts:
            return []
        ids = list(dict.fromkeys(bout.user_id for bout in bouts))
        row_of = {user_id: row for row, user_id in enumerate(ids)}
        position = self.model.space.index.position
        asked = list(
            dict.fromkeys(
                (row_of[bout.user_id], position[item_id])
                for bout in bouts
                for item_id in (*bout.first, *bout.second)
                if item_id in position
            )
        )
        chance: dict[tuple[int, int], float] = {}
        if asked:
            rows, items = np.array(asked, np.int64).T
            judged = self.model.judge([self.history(user_id) for user_id in ids], rows, items)
            chance = dict(zip(asked, sigmoid(judged.log_odds).tolist(), strict=True))

        def of(bout: Bout, page: Sequence[str]) -> Floats:
            row = row_of[bout.user_id]
            return np.array([chance[row, position[i]] for i in page if i in position])

        return [
            Preference(preferred(of(bout, bout.first), of(bout, bout.second))) for bout in bouts
        ]


def preferred(first: Floats, second: Floats) -> float:
    """Log-odds that more comes of the first page than of the second.

    Args:
        first, second: probabilities of engagement, one a slot; may be empty.
    """
    variance = float((first * (1 - first)).sum() + (second * (1 - second)).sum())
    difference = float(first.sum() - second.sum())
    if difference == 0:
        return 0.0
    z = difference / np.sqrt(max(variance, 1e-12))
    # From the tails, so that neither side rounds to 0; beyond 8 deviations it is certain enough.
    z = float(np.clip(z, -8, 8))
    return float(norm.logcdf(z) - norm.logsf(z))
