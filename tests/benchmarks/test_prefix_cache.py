"""The simulated prefix cache, on streams whose hits can be counted by hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st


def load() -> ModuleType:
    """benchmarks/prefix_cache.py, loaded by its path: benchmarks are no package."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "prefix_cache.py"
    spec = importlib.util.spec_from_file_location("focusgroup_prefix_cache", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PrefixCache = load().PrefixCache


def prompt(*blocks: int, rest: int = 0) -> list[int]:
    """Blocks of 4 tokens, each named by a number, and `rest` tokens that fill no block."""
    return [10 * block + n for block in blocks for n in range(4)] + [7] * rest


def test_a_prompt_seen_before_is_found_but_for_its_last_block() -> None:
    cache = PrefixCache(block=4)
    assert cache.send(prompt(1, 2, rest=1)) == 0
    assert cache.send(prompt(1, 2, rest=1)) == 8
    assert cache.send(prompt(1, 2)) == 4  # its last token is computed, and so is its block
    assert cache.send(prompt(1, 2, 3)) == 8
    assert cache.send(prompt(1, 2, 3, rest=3)) == 12


def test_only_full_blocks_are_kept() -> None:
    cache = PrefixCache(block=4)
    cache.send([1, 2, 3])
    assert len(cache) == 0
    cache.send([1, 2, 3, 4, 5])
    assert len(cache) == 1
    assert cache.send([1, 2, 3, 9, 5]) == 0
    assert cache.send([1, 2, 3, 4, 9]) == 4


def test_a_block_is_found_behind_its_own_prefix_alone() -> None:
    cache = PrefixCache(block=4)
    cache.send(prompt(1, 2, 3, rest=1))
    assert cache.send(prompt(2, 3, rest=1)) == 0
    assert cache.send(prompt(9, 2, 3, rest=1)) == 0
    assert cache.send(prompt(1, 9, 3, rest=1)) == 4
    assert cache.send(prompt(1, 2, 9, rest=1)) == 8


def test_a_full_cache_drops_what_was_not_used_for_longest_and_ends_before_beginnings() -> None:
    cache = PrefixCache(capacity=4, block=4)
    cache.send(prompt(1, 2, rest=1))
    cache.send(prompt(5, 6, rest=1))
    cache.send(prompt(1, rest=1))  # now the end of the first prompt is the oldest
    cache.send(prompt(8, rest=1))
    assert len(cache) == 4
    assert cache.cached(prompt(1, 2, rest=1)) == 4
    assert cache.cached(prompt(5, 6, rest=1)) == 8
    cache.send(prompt(9, rest=1))
    assert cache.cached(prompt(5, 6, rest=1)) == 4
    assert cache.cached(prompt(1, rest=1)) == 4


def test_a_prompt_longer_than_the_cache_leaves_its_beginning() -> None:
    cache = PrefixCache(capacity=2, block=4)
    cache.send(prompt(1, 2, 3, 4, rest=1))
    assert cache.cached(prompt(1, 2, 3, 4, rest=1)) == 8


def test_asking_changes_nothing() -> None:
    cache = PrefixCache(capacity=2, block=4)
    cache.keep(prompt(1))
    cache.keep(prompt(2))
    cache.cached(prompt(1, rest=1))
    cache.keep(prompt(3))
    assert cache.cached(prompt(1, rest=1)) == 0
    assert cache.cached(prompt(2, rest=1)) == 4


def test_a_block_is_16_tokens_and_there_are_ten_thousand() -> None:
    cache = PrefixCache()
    assert cache.send(list(range(33))) == 0
    assert cache.send(list(range(33))) == 32
    for first in range(11_000):
        cache.send([first] * 17)
    assert len(cache) == 10_000


@pytest.mark.parametrize("capacity", [3, 1000])
@given(stream=st.lists(st.lists(st.integers(0, 1), max_size=14), max_size=12))
def test_hits_are_the_longest_common_beginning_of_any_prompt_before(
    capacity: int, stream: list[list[int]]
) -> None:
    """Against the plain definition, where nothing is dropped; never above it where something is."""
    cache, seen = PrefixCache(capacity, block=2), list[list[int]]()
    for tokens in stream:
        shared = 0
        for other in seen:
            same = 0
            while tokens[same : same + 2] == other[same : same + 2] and same + 2 <= len(tokens) - 1:
                same += 2
            shared = max(shared, same)
        found = cache.send(tokens)
        assert found <= shared if capacity == 3 else found == shared
        assert len(cache) <= capacity
        seen.append(tokens)
