"""The labels of the highest values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def most(
    names: Sequence[str], values: NDArray[np.float64], among: NDArray[np.bool_], limit: int
) -> tuple[str, ...]:
    """The names of the highest values among those marked, at most `limit`; ties by name."""
    pairs = [(names[n], values[n]) for n in np.flatnonzero(among).tolist()]
    return tuple(name for name, _ in sorted(pairs, key=lambda p: (-p[1], p[0]))[:limit])
