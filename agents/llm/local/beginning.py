"""What several prompts begin with."""

from __future__ import annotations

from collections.abc import Sequence


def common_beginning(prompts: Sequence[list[int]]) -> list[int]:
    """The longest run of tokens that all prompts begin with."""
    # What the least and the greatest share, all between them share.
    least, greatest = min(prompts), max(prompts)
    for n, (one, other) in enumerate(zip(least, greatest, strict=False)):
        if one != other:
            return least[:n]
    return least
