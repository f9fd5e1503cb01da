"""Choices and stars drawn from chances, with the noise that a session would meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.noise import item_uniforms, key_of, visit_key

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Draws:
    """Pairs (user, item) whose outcome is drawn.

    A draw is a function of (run seed, user, item) alone, the one that a session of round 0 meets
    when it shows the item for the first time: recommenders that show a user the same item see the
    same outcome, and another seed is another run.

    Attributes:
        user_ids: what `users` stands for. users: row into `user_ids`, (n,).
        items: `key_of(item_id)` of each pair, (n,).
    """

    user_ids: tuple[str, ...]
    users: Integers
    items: NDArray[np.uint64]

    @classmethod
    def of(
        cls, user_ids: Sequence[str], item_ids: Sequence[str], users: Integers, items: Integers
    ) -> Draws:
        """Pairs of user `user_ids[users[i]]` and item `item_ids[items[i]]`."""
        keys = np.array([key_of(item_id) for item_id in item_ids], np.uint64)
        return cls(tuple(user_ids), users, keys[items])

    def uniforms(self, event: str, seed: int) -> Floats:
        """Uniforms in (0, 1), (n,)."""
        visits = np.array([visit_key(seed, user_id, 0) for user_id in self.user_ids], np.uint64)
        return item_uniforms(visits[self.users], self.items, event, np.zeros_like(self.items))

    def outcomes(self, chances: Floats, seed: int) -> Floats:
        """What is drawn, (n,): 1 or 0 from the chance of engagement, (n,); or 1 ... 5 stars from
        the chances of each, (n, 5)."""
        if chances.ndim == 1:
            return (self.uniforms("click", seed) < chances).astype(np.float64)
        at_most = np.cumsum(chances, axis=1)[:, :-1]
        # Few stars where the uniform is high, as in a session.
        above = 1.0 - self.uniforms("stars", seed)[:, None] > at_most
        return np.asarray(1.0 + above.sum(axis=1))
