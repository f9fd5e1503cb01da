"""Which shard simulates which user."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def deal(user_ids: Sequence[str], shards: int) -> list[list[str]]:
    """Deal users out by a hash of their ids, as evenly as can be.

    Returns:
        One list of users for each shard, in the order they were given, none of them empty: fewer
        lists than `shards` where there are fewer users.
    """
    turns = {user: turn for turn, user in enumerate(sorted(user_ids, key=_hash))}
    dealt: list[list[str]] = [[] for _ in range(min(shards, len(user_ids)))]
    for user in user_ids:
        dealt[turns[user] % shards].append(user)
    return dealt


def shares(whole: int, shards: int) -> list[int]:
    """A limit divided over shards: sums up to `whole`, but nobody gets less than 1."""
    each, rest = divmod(whole, shards)
    return [max(1, each + (number < rest)) for number in range(shards)]


def _hash(user_id: str) -> bytes:
    return hashlib.blake2b(user_id.encode(), digest_size=8).digest()
