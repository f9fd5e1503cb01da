"""How many calls a server is sent at once: as many as it bears, found out while it is asked."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from focusgroup.agents.llm.protocol import (
    Capabilities,
    Completion,
    CompletionRequest,
    TransportError,
    TransportKind,
)

from .limit import Limit
from .served import ServedLLM, persona_prefix
from .slots import Slots

_LOOK_EVERY = 2.0  # seconds between two looks at a server's queue
_REMEMBERED = 16_384  # people whose turn is remembered
_OVERLOADED = 503


class PacedLLM:
    """Sends a server as many calls at once as it bears; the others wait, earliest person first.

    Who was first heard of first goes first, at every call: the people under way are served before
    new ones begin, so that few personas have to share a server's prefix cache. What comes back does
    not depend on any of it.

    Args:
        most: calls at once that are never exceeded.
        clock: seconds from any fixed instant.
    """

    def __init__(
        self, inner: ServedLLM, *, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._limit = Limit(most)
        self._slots = Slots(lambda: self._limit.value)
        self._turns: OrderedDict[bytes, int] = OrderedDict()
        self._people = 0
        self._looked: float | None = None

    @property
    def fingerprint(self) -> str:
        return self._inner.fingerprint

    @property
    def url(self) -> str:
        return self._inner.url

    @property
    def limit(self) -> int:
        """Calls that may be out at once, now."""
        return self._limit.value

    async def complete(self, request: CompletionRequest) -> Completion:
        """As the model, once there is room. Raises TransportError as the model."""
        await self._slots.enter(self._turn(persona_prefix(request)))
        ticket, started = self._limit.sent(self._slots.taken), self._clock()
        try:
            completion = await self._inner.complete(request)
        except TransportError as error:
            if _is_overload(error):
                self._limit.overloaded(ticket)
            raise
        else:
            self._limit.answered(ticket, self._clock() - started)
        finally:
            self._slots.leave()
        await self._look()
        return completion

    async def probe(self) -> Capabilities:
        return await self._inner.probe()

    async def capabilities(self) -> Capabilities:
        return await self._inner.capabilities()

    async def ping(self, within: float) -> None:
        """Goes out at once, whoever waits."""
        await self._inner.ping(within)

    async def waiting(self) -> int | None:
        return await self._inner.waiting()

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _turn(self, persona: bytes) -> int:
        turn = self._turns.pop(persona, None)
        if turn is None:
            turn = self._people
            self._people += 1
        self._turns[persona] = turn
        if len(self._turns) > _REMEMBERED:
            self._turns.popitem(last=False)
        return turn

    async def _look(self) -> None:
        """Now and then, asks how long the queue at the server is."""
        now = self._clock()
        if self._looked is None:
            self._looked = now
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            if (queue := await self._inner.waiting()) is not None:
                self._limit.queued(queue)


def _is_overload(error: TransportError) -> bool:
    return error.kind in (TransportKind.BUSY, TransportKind.TIMEOUT) or error.status == _OVERLOADED
