"""Asking again, and waiting for a server that is away: for so long, then the run stops."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn

from focusgroup.agents.llm.budget import pay_lost_try
from focusgroup.agents.llm.protocol import (
    Capabilities,
    Completion,
    CompletionRequest,
    TransportError,
    TransportKind,
    servers_away,
)
from focusgroup.simulator.errors import RunStopped
from focusgroup.simulator.noise import derive_seed

from .served import ServedLLM, passes

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
_TROUBLED_WAIT = 0.25  # least first wait after 5xx, however soon the server wants to be asked again
_BUSY_WAIT = 0.01  # as much after 429: such a server knows what it can bear
_SPREAD = 0.25  # share of a wait by which calls are spread
_PING_SECONDS = 5.0
_LOST_ENOUGH = 16  # calls that failed one after the other, with none answered between
_ROUNDS = 2  # of tries in vain, though the server answers a word after each, that lose a call


class PatientLLM:
    """A served model that is asked again where that may help.

    A call that fails in passing (no connection, no or half a reply, 408, 409, 429, 5xx) is asked
    again after growing waits, or when the server says. What that comes to depends on the server:

    - Others are answered between two tries of a call: its tries are counted, and once its retries
      are used up the call fails alone.
    - Nobody is answered: its tries say nothing of the call and are not held against it. After a few
      of them all calls wait, and one looks whether the server is back. Where it answers that one a
      word at once, it had not been away: a call that nevertheless gets nowhere twice fails alone.
    - Too many requests (429) are no failure of the call: it goes on asking as long as the patience
      lasts.

    Args:
        retries: how often a call is asked again while the server answers others.
        patience: seconds without any answer after which the run stops.
        clock: seconds from any fixed instant. sleep: waits that many.
    """

    def __init__(
        self,
        inner: ServedLLM,
        *,
        retries: int = 3,
        patience: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._inner = inner
        self._retries = retries
        self._patience = patience
        self._clock, self._sleep = clock, sleep
        self._heard = -math.inf  # when the server last said anything
        self._absences = 0  # how often it was found to be back
        self._last_good = -math.inf  # when the last one asked of those that were answered
        self._answered: float | None = None  # when it last answered a call of the run
        self._silent_since: float | None = None
        self._lost = 0
        self._looking = asyncio.Lock()
        self._stopped: RunStopped | None = None

    @property
    def fingerprint(self) -> str:
        return self._inner.fingerprint

    @property
    def url(self) -> str:
        return self._inner.url

    async def complete(self, request: CompletionRequest) -> Completion:
        """The model's answer.

        Raises:
            TransportError: this call alone failed, after its retries.
            RunStopped: the server has not answered anybody for as long as the patience lasts, or a
                budget does not cover another try.
            UserError: as the model.
        """
        began = self._clock()
        failed_at: float | None = None
        if self._answered is None:
            self._answered = began
        alone = unheard = rounds = tried = 0
        while True:
            asked = self._clock()
            try:
                return await self._asked_once(request)
            except TransportError as error:
                if not passes(error):
                    raise
                failure = error
            now = self._clock()
            weight = self._weight(failure, now - began)
            if self._others_answered(failed_at):
                alone += weight
            else:
                unheard += weight
            failed_at = now
            self._mark_silence(asked)
            if alone > self._retries:
                self._lose(failure)
            in_vain = alone + unheard > self._retries
            # While somebody looks whether the server is back, nobody else need try.
            if in_vain or self._looking.locked():
                absences = self._absences
                await self._until_heard(failure)
                if self._absences > absences:
                    alone = unheard = rounds = tried = 0
                elif in_vain:
                    rounds += 1
                    alone = unheard = tried = 0
                if rounds == _ROUNDS:
                    self._lose(failure)
            else:
                await self._sleep(_wait(failure, tried, request, self._patience))
                tried += 1
            await pay_lost_try(failure)

    async def capabilities(self) -> Capabilities:
        """As the model: at the start nobody waits, a server that is down is a UserError."""
        found = await self._inner.capabilities()
        self._heard = self._clock()
        return found

    def away(self) -> tuple[str, ...]:
        return servers_away(self._inner)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _asked_once(self, request: CompletionRequest) -> Completion:
        if self._stopped is not None:
            raise RunStopped(str(self._stopped))
        asked = self._clock()
        try:
            completion = await self._inner.complete(request)
        except TransportError as error:
            if not passes(error):
                self._hear()
            raise
        self._hear()
        self._last_good = max(self._last_good, asked)
        self._answered, self._lost = self._clock(), 0
        return completion

    def _weight(self, error: TransportError, since: float) -> int:
        """How many tries this one counts for, `since` seconds after the call began."""
        if error.kind is not TransportKind.BUSY:
            return 1
        return 0 if since < self._patience else self._retries + 1

    def _hear(self) -> None:
        self._heard, self._silent_since = self._clock(), None

    def _others_answered(self, since: float | None) -> bool:
        """Who asked since the call's try before; or all, for all one knows at its first.

        A server that takes nobody in may go on answering who had asked before.
        """
        return self._silent_since is None if since is None else self._last_good > since

    def _mark_silence(self, asked: float) -> None:
        # A call may have waited for its turn long before it went out, while others were answered.
        if self._silent_since is None:
            self._silent_since = max(asked, self._heard)

    async def _until_heard(self, error: TransportError) -> None:
        """Waits until the server has answered somebody a word.

        Raises:
            RunStopped: the patience is at its end.
        """
        arrived = self._clock()
        async with self._looking:
            if self._stopped is not None:
                raise RunStopped(str(self._stopped)) from error
            if self._heard > arrived:
                return
            looks = 0
            while True:
                since = arrived if self._silent_since is None else self._silent_since
                left = self._patience - (self._clock() - since)
                try:
                    await self._inner.ping(max(_PING_SECONDS, left))
                except TransportError as failed:
                    error = failed
                else:
                    self._hear()
                    self._absences += looks > 0
                    return
                silent = self._clock() - since
                if silent >= self._patience:
                    self._stop(f"has not answered for {silent:.0f} s", error)
                wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**looks)
                await self._sleep(min(wait, max(0.05, self._patience - silent)))
                looks += 1

    def _lose(self, error: TransportError) -> NoReturn:
        """Raises the error; or RunStopped, for a server that answers a word and nothing else is as
        good as down."""
        self._lost += 1
        since = self._clock() - (self._answered or 0.0)
        if self._lost >= _LOST_ENOUGH and since >= self._patience:
            self._stop(f"has not answered any of the last {self._lost} calls", error)
        raise error

    def _stop(self, what: str, error: TransportError) -> NoReturn:
        self._stopped = RunStopped(
            f"the server at {self.url} {what} (last: {error}); what is stored can be resumed when"
            " it is back"
        )
        raise self._stopped from error


def _wait(error: TransportError, tried: int, request: CompletionRequest, most: float) -> float:
    """Seconds before the next try: doubling, spread by the call; longer if the server asks for it.

    A server in trouble may ask for next to nothing, and be asked too much.
    """
    text = request.messages[-1].content if request.messages else ""
    jitter = derive_seed(request.seed, "retry", text, tried) % 1000 / 1000
    if error.retry_after is None:
        return min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**tried) * (1 - _SPREAD * jitter)
    first = _BUSY_WAIT if error.kind is TransportKind.BUSY else _TROUBLED_WAIT
    least = min(_LONGEST_WAIT, first * 2.0**tried)
    return min(max(error.retry_after, least) + _SPREAD * jitter * least, most)
