"""A prefix cache as vLLM keeps one, simulated: full blocks of 16 tokens, the oldest go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

BLOCK = 16


class PrefixCache:
    """Remembers which blocks of tokens were computed, each under all that stood before it.

    A block's key is a hash of its parent's key and its tokens, so it is found only behind the same
    prefix. Of a prompt the end is dropped before the beginning, as vLLM frees blocks.

    Args:
        capacity: blocks it holds at most.
        block: tokens in a block; what is left over at a prompt's end is never cached.
    """

    def __init__(self, capacity: int = 10_000, block: int = BLOCK) -> None:
        self._capacity = capacity
        self._block = block
        self._kept: OrderedDict[int, None] = OrderedDict()  # the longest unused first

    def __len__(self) -> int:
        return len(self._kept)

    def send(self, tokens: Sequence[int]) -> int:
        """How many tokens of a prompt are in the cache; from now on all its full blocks are."""
        found = self.cached(tokens)
        self.keep(tokens)
        return found

    def cached(self, tokens: Sequence[int]) -> int:
        """How many tokens of a prompt are in the cache. The last one never counts: it is computed
        to get an answer, and with it its block."""
        found = 0
        for key in self._keys(tokens[:-1]):
            if key not in self._kept:
                break
            found += self._block
        return found

    def keep(self, tokens: Sequence[int]) -> None:
        """Holds the full blocks of a prompt, as the newest of all."""
        for key in reversed(self._keys(tokens)):
            self._kept[key] = None
            self._kept.move_to_end(key)
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)

    def _keys(self, tokens: Sequence[int]) -> list[int]:
        keys: list[int] = []
        parent = 0
        for start in range(0, len(tokens) - self._block + 1, self._block):
            parent = hash((parent, *tokens[start : start + self._block]))
            keys.append(parent)
        return keys
