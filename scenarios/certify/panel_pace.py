"""Many questions to a language model: a few at once, in order, so that a prefix cache holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Answered = TypeVar("Answered")
Told = Callable[[int, int], None]


def untold(_done: int, _of: int) -> None:
    """Nobody watches."""


async def in_turn(
    count: int, work: Callable[[int], Awaitable[Answered]], *, at_once: int, told: Told = untold
) -> list[Answered]:
    """`work(0)` to `work(count - 1)`, begun in this order, at most `at_once` of them under way.

    Args:
        told: called after each with how many are done, of how many.

    Raises:
        The first error of any; those under way are cancelled.
    """
    waiting = iter(range(count))
    found: dict[int, Answered] = {}

    async def worker() -> None:
        for number in waiting:
            found[number] = await work(number)
            told(len(found), count)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, count)):
                group.create_task(worker())
    except BaseExceptionGroup as error:
        raise error.exceptions[0] from error
    return [found[number] for number in range(count)]
