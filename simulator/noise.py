"""Counted noise: the only source of randomness in a session.

A draw is a hash of what it is for, never the next number of a stream. The same item shown by two
arms meets the same noise, and neither scheduling nor concurrency can change a draw.
Mixing: splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_LEAVE = np.uint64(0x6C65617665)
_INVERSE_2_53 = float(2.0**-53)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


@lru_cache(maxsize=1 << 16)
def key_of(text: str) -> int:
    """A stable 64-bit key of a string that is met again and again (item id, event name)."""
    return _hash(text)


def derive_seed(*parts: str | int) -> int:
    """A 63-bit seed from named parts: stable across processes and Python versions."""
    return _hash("\x1f".join([f"{type(part).__name__}:{part}" for part in parts])) >> 1


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = values + _GAMMA
    z = (z ^ (z >> np.uint64(30))) * _MIX1
    z = (z ^ (z >> np.uint64(27))) * _MIX2
    mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed


def _to_uniform(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    # + 0.5 keeps draws strictly inside (0, 1), so a probability of 0 never fires and 1 always does.
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * _INVERSE_2_53


def item_uniforms(
    visits: NDArray[np.uint64],
    items: NDArray[np.uint64],
    event: str,
    nth: NDArray[np.uint64],
) -> NDArray[np.float64]:
    """Uniforms in (0, 1) for (visit, item, event, nth exposure); all arrays of one shape.

    Args:
        visits: visit keys, see `visit_key`.
        items: `key_of(item_id)` each.
        nth: how often the item had been shown in this visit before, 0 the first time.
    """
    event_key = np.uint64(key_of(event))
    return _to_uniform(_mix(_mix(_mix(visits ^ items) ^ event_key) + nth))


def leave_uniforms(visits: NDArray[np.uint64], pages: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Uniforms in (0, 1) for leaving after a page; arrays of one shape."""
    return _to_uniform(_mix(_mix(visits ^ _LEAVE) + pages))


def visit_key(run_seed: int, user_id: str, round: int) -> int:
    """The 64-bit key of one user's visit in one round, the same in every arm."""
    return _hash(f"visit\x1f{run_seed}\x1f{round}\x1f{user_id}")


class Noise:
    """The noise of one visit (one user, one round; the same in every arm)."""

    __slots__ = ("key",)

    def __init__(self, run_seed: int, user_id: str, round: int) -> None:
        self.key = visit_key(run_seed, user_id, round)

    def items(self, item_ids: Sequence[str], event: str, nth: Sequence[int]) -> NDArray[np.float64]:
        """Uniforms in (0, 1), one per item; see `item_uniforms`."""
        items = np.fromiter((key_of(i) for i in item_ids), np.uint64, len(item_ids))
        visits = np.full(len(item_ids), self.key, np.uint64)
        return item_uniforms(visits, items, event, np.asarray(nth, np.uint64))

    def leave(self, page: int) -> float:
        """A uniform in (0, 1) for leaving after this page."""
        return float(
            leave_uniforms(np.array([self.key], np.uint64), np.array([page], np.uint64))[0]
        )

    def permutation(self, page: int, n: int) -> list[int]:
        """A permutation of range(n) for this page: which number each slot bears in a prompt."""
        rng = np.random.default_rng((self.key, page))
        return [int(i) for i in rng.permutation(n)]
