"""Users as arrays: all that the features of pairs need of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class UserSide:
    """Many users as arrays: everything about them the features need.

    Attributes:
        taste, taste_lately, habits, liking: (users, d), for the factors of those names.
        attributes, years: (users, kinds), leanings. owned: (users, items), log1p amounts.
        activity: (users,), log1p of the number of items had. bias: (users,), stars above the
            items'. width: (users,), log of how far the user's stars spread around that, 0 for as
            far as usual. level: (users,), popularity of the items chosen, above the usual; 0 where
            a log holds what was shown. tilt: (users,), how stars rise with popularity. scale:
            (users, 4), how much more often than usual there are more than 1, 2, 3, 4 stars.
            log_price: (users,), NaN where unknown.
    """

    taste: Floats
    taste_lately: Floats
    habits: Floats
    attributes: Floats
    years: Floats
    liking: Floats
    owned: sp.csr_matrix
    activity: Floats
    bias: Floats
    width: Floats
    level: Floats
    tilt: Floats
    scale: Floats
    log_price: Floats


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near items are to users, by pair, (n,) each: see the features of those names."""

    taste: Floats
    attributes: Floats
    liking: Floats
