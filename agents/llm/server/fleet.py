"""One model on several servers: each person keeps to one, as long as it is there."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence

from focusgroup.agents.llm.protocol import (
    Capabilities,
    Completion,
    CompletionRequest,
    TransportError,
    TransportKind,
)

from .probe import unreachable
from .served import ServedLLM, passes, persona_prefix

_TRIES = 3  # failures in a row after which a server counts as away; one, if it refuses
_AWAY_SECONDS = 5.0
_AWAY_MOST = 60.0


class Fleet:
    """Routes calls by the persona they begin with, so that a server's prefix cache holds it.

    Rendezvous hashing over the URLs: a server that goes away leaves the others' people where they
    are, and spreads its own. One that is away is tried again now and then, by one call.

    Args:
        servers: each with its own URL and the same model.
        clock: seconds from any fixed instant.
    """

    def __init__(
        self,
        model: str,
        servers: Sequence[ServedLLM],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._servers = tuple(servers)
        self._clock = clock
        self._failures = [0] * len(servers)
        self._away_until = [0.0] * len(servers)
        self._away_since = [-math.inf] * len(servers)
        self._probed = [False] * len(servers)

    @property
    def fingerprint(self) -> str:
        return self._servers[0].fingerprint

    @property
    def url(self) -> str:
        return ", ".join(server.url for server in self._servers)

    async def complete(self, request: CompletionRequest) -> Completion:
        """As the persona's server says, or the next one where that is away.

        Raises:
            TransportError: the server did not answer, or no server could be reached.
        """
        refused = _nobody()
        for number in self._route(persona_prefix(request)):
            try:
                return await self._ask(number, request)
            except TransportError as error:
                if error.kind is not TransportKind.REFUSED:
                    raise
                refused = error
        raise refused

    async def probe(self) -> Capabilities:
        """What all servers that answer can do. Raises TransportError if none does."""
        found = await asyncio.gather(
            *(self._probe(number) for number in range(len(self._servers))), return_exceptions=True
        )
        able = [one for one in found if isinstance(one, Capabilities)]
        for one in found:
            if isinstance(one, BaseException) and not (isinstance(one, TransportError) and able):
                raise one
        return Capabilities(all(a.json_schema for a in able), all(a.logprobs for a in able))

    async def capabilities(self) -> Capabilities:
        """As `probe`; a UserError if no server answers."""
        try:
            return await self.probe()
        except TransportError as error:
            raise unreachable(self._model, error) from error

    async def ping(self, within: float) -> None:
        """Asks the servers one after the other. Raises TransportError if none answers."""
        failed = _nobody()
        for number, server in enumerate(self._servers):
            try:
                await server.ping(within)
            except TransportError as error:
                failed = error
            else:
                self._back(number)
                return
        raise failed

    async def waiting(self) -> int | None:
        """Each server's pace asks its own."""
        return None

    def away(self) -> tuple[str, ...]:
        """URLs of servers that count as away."""
        return tuple(
            server.url
            for server, failures in zip(self._servers, self._failures, strict=True)
            if failures >= _TRIES
        )

    async def aclose(self) -> None:
        for server in self._servers:
            await server.aclose()

    def _route(self, persona: bytes) -> Iterator[int]:
        """Servers in the persona's order; those that are away only once the others are tried."""
        ranked = sorted(
            range(len(self._servers)),
            key=lambda n: hashlib.blake2b(persona + self._servers[n].url.encode()).digest(),
        )
        now = self._clock()
        away = [n for n in ranked if self._away_until[n] > now]
        yield from (n for n in ranked if n not in away)
        yield from away

    async def _ask(self, number: int, request: CompletionRequest) -> Completion:
        # As long as it counts as away it is asked where nobody else is left: no news if it fails.
        news = self._clock() >= self._away_until[number]
        if news and self._failures[number]:
            # This call tries whether it is back; the others need not find out with it.
            self._away(number)
        if not self._probed[number]:
            await self._probe(number, news=news)
        sent = self._clock()
        try:
            completion = await self._servers[number].complete(request)
        except TransportError as error:
            if news and passes(error) and error.kind is not TransportKind.BUSY:
                self._failed(number, sent, _TRIES if error.kind is TransportKind.REFUSED else 1)
            raise
        self._back(number)
        return completion

    async def _probe(self, number: int, *, news: bool = True) -> Capabilities:
        sent = self._clock()
        try:
            found = await self._servers[number].probe()
        except TransportError:
            if news:
                self._failed(number, sent, _TRIES)
            raise
        self._probed[number] = True
        self._back(number)
        return found

    def _failed(self, number: int, sent: float, weight: int) -> None:
        """Counts a failure, and all of a burst as one: who was sent before the server was put aside
        says nothing new."""
        if sent >= self._away_since[number]:
            self._failures[number] += weight
            self._away(number)

    def _away(self, number: int) -> None:
        rounds = self._failures[number] // _TRIES
        if rounds:
            now = self._clock()
            seconds = min(_AWAY_MOST, _AWAY_SECONDS * 2 ** (min(rounds, 8) - 1))
            self._away_until[number], self._away_since[number] = now + seconds, now

    def _back(self, number: int) -> None:
        self._failures[number] = 0
        self._away_until[number] = 0.0


def _nobody() -> TransportError:
    return TransportError("a fleet without servers", TransportKind.REFUSED)
