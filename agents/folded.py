"""Users as a behaviour model sees them: folded in once a visit, not once a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from focusgroup.simulator.types import Event, Interaction

from .features import FeatureSpace
from .user_side import UserSide

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BOUGHT, RATED = Event.PURCHASE, Event.RATE
CAPACITY = 1024  # users: more than sessions in flight, a few kilobytes each
_DENSE = tuple(field.name for field in fields(UserSide) if field.name != "owned")


class FoldedUsers:
    """Folds users in from their histories in the log and keeps those met last.

    What comes back does not depend on what is kept: a user is folded in alone, from nothing but
    the user's own history.

    Args:
        history: a user's log interactions; the same whenever it is asked.
        capacity: users kept at most.
    """

    def __init__(
        self,
        space: FeatureSpace,
        history: Callable[[str], Sequence[Interaction]],
        capacity: int = CAPACITY,
    ) -> None:
        self._space, self._history, self._capacity = space, history, capacity
        self._place: dict[str, int] = {}  # of each user kept, the one met last at the end
        self._dense: dict[str, Floats] = {}  # by field of `UserSide`, (capacity, ...)
        self._owned: list[tuple[NDArray[np.int32], Floats]] = []  # of places: items, amounts

    def of(self, user_ids: Sequence[str]) -> UserSide:
        """These users, a row each; `user_ids` are distinct."""
        if len(user_ids) > self._capacity:
            return self._folded(user_ids)
        for user_id in user_ids:
            if (place := self._place.pop(user_id, None)) is not None:
                self._place[user_id] = place
        if missing := [user_id for user_id in user_ids if user_id not in self._place]:
            self._keep(missing, self._folded(missing))
        places = [self._place[user_id] for user_id in user_ids]
        dense = {name: values[places] for name, values in self._dense.items()}
        return UserSide(owned=self._amounts(places), **dense)

    def _folded(self, user_ids: Sequence[str]) -> UserSide:
        return fold(self._space, [self._history(user_id) for user_id in user_ids])

    def _keep(self, user_ids: Sequence[str], side: UserSide) -> None:
        if not self._dense:
            values = {name: np.asarray(getattr(side, name)) for name in _DENSE}
            self._dense = {n: np.zeros((self._capacity, *v.shape[1:])) for n, v in values.items()}
            self._owned = [(np.zeros(0, np.int32), np.zeros(0))] * self._capacity
        for user_id in user_ids:
            full = len(self._place) == self._capacity
            place = self._place.pop(next(iter(self._place))) if full else len(self._place)
            self._place[user_id] = place
        places = [self._place[user_id] for user_id in user_ids]
        for name, kept in self._dense.items():
            kept[places] = getattr(side, name)
        owned = side.owned
        for row, place in enumerate(places):
            own = slice(owned.indptr[row], owned.indptr[row + 1])
            self._owned[place] = (owned.indices[own].copy(), owned.data[own].copy())

    def _amounts(self, places: Sequence[int]) -> sp.csr_matrix:
        own = [self._owned[place] for place in places]
        starts = np.cumsum([0, *(len(items) for items, _ in own)])
        items = np.concatenate([items for items, _ in own])
        amounts = np.concatenate([amounts for _, amounts in own])
        shape = (len(places), len(self._space.index.position))
        return sp.csr_matrix((amounts, items, starts), shape=shape)


def fold(space: FeatureSpace, histories: Sequence[Sequence[Interaction]]) -> UserSide:
    """Users folded in from histories, oldest first; a row each."""
    return space.users(
        [[(i.item_id, i.value if i.event is BOUGHT else 1.0) for i in h] for h in histories],
        [[(i.item_id, i.value) for i in h if i.event is RATED] for h in histories],
    )
