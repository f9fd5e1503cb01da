"""Room for so many at once; who waits is let in by rank, then by arrival."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable


class Slots:
    """A semaphore whose size may change, and whose queue has an order.

    Args:
        size: how many may be inside now; asked whenever somebody comes or goes.

    Attributes:
        taken: how many are inside.
    """

    def __init__(self, size: Callable[[], int]) -> None:
        self.taken = 0
        self._size = size
        self._arrivals = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def enter(self, rank: int) -> None:
        """Waits until there is room and nobody of a lower rank waits."""
        if self.taken < self._size() and not self._waiting:
            self.taken += 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, self._arrivals, future))
        self._arrivals += 1
        self.admit()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.leave()  # let in and called away in the same moment
            raise

    def leave(self) -> None:
        """Makes room, and lets in who waits."""
        self.taken -= 1
        self.admit()

    def admit(self) -> None:
        """Lets in as many as there is room for."""
        while self._waiting and self.taken < self._size():
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                self.taken += 1
                future.set_result(None)
