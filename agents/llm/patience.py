"""Asking again, and waiting for a server that is away: for so long, then the run stops."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from focusgroup.simulator.errors import RunStopped
from focusgroup.simulator.noise import derive_seed

from .protocol import Capabilities, Completion, CompletionRequest, TransportError, TransportKind
from .served import ServedLLM, passes

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
_PING_SECONDS = 5.0
_LOST_ENOUGH = 16  # calls that failed one after the other, with none answered between


class PatientLLM:
    """A served model that is asked again where that may help.

    A call that fails in passing (no connection, no or half a reply, 408, 409, 429, 5xx) is asked
    again after growing waits, or when the server says. Once its retries are used up, what it comes
    to depends on the server: where others were answered meanwhile, or it answers a word, the call
    alone fails; where nobody is answered, all calls wait and one of them looks whether the server
    is back. Too many requests (429) are no failure of the call: it goes on asking as long as the
    patience lasts.

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
        self._returned = -math.inf  # when it was last found to be back
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
            RunStopped: the server has not answered anybody for as long as the patience lasts.
            UserError: as the model.
        """
        began, rounds = self._clock(), 0
        if self._answered is None:
            self._answered = began
        while True:
            outcome, last_waited = await self._round(request, began)
            if isinstance(outcome, Completion):
                return outcome
            rounds += 1
            # Answers from before the last wait tell nothing of the server as it is now.
            if self._heard <= last_waited:
                if await self._back_after_absence(outcome):
                    rounds = 0
                if rounds < 2:
                    continue
            self._lost += 1
            self._check_lost(outcome)
            raise outcome

    async def capabilities(self) -> Capabilities:
        """As the model: at the start nobody waits, a server that is down is a UserError."""
        found = await self._inner.capabilities()
        self._heard = self._clock()
        return found

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _round(
        self, request: CompletionRequest, began: float
    ) -> tuple[Completion | TransportError, float]:
        """The answer, or the last failure once all tries of a round have failed in passing; and
        since when it had waited for the last of them."""
        tried, waited = 0, self._clock()
        while True:
            asked = self._clock()
            try:
                completion = await self._inner.complete(request)
            except TransportError as error:
                if not passes(error):
                    self._hear()
                    raise
                if self._silent_since is None:
                    self._silent_since = asked
                now = self._clock()
                busy = error.kind is TransportKind.BUSY and now - began < self._patience
                # While somebody looks whether the server is back, nobody else need try.
                if self._looking.locked() or (tried >= self._retries and not busy):
                    return error, waited
                waited = now
                await self._sleep(_wait(error, tried, request, self._patience))
                tried += 1
            else:
                self._hear()
                self._answered, self._lost = self._clock(), 0
                return completion, waited

    def _hear(self) -> None:
        self._heard, self._silent_since = self._clock(), None

    async def _back_after_absence(self, error: TransportError) -> bool:
        """Waits until the server answers a word; whether it had been away.

        Raises:
            RunStopped: the patience is at its end.
        """
        arrived = self._clock()
        async with self._looking:
            if self._stopped is not None:
                raise RunStopped(str(self._stopped)) from error
            if self._heard > arrived:
                return self._returned > arrived
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
                    if looks:
                        self._returned = self._heard
                    return looks > 0
                silent = self._clock() - since
                if silent >= self._patience:
                    self._stop(f"has not answered for {silent:.0f} s", error)
                wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**looks)
                await self._sleep(min(wait, max(0.05, self._patience - silent)))
                looks += 1

    def _check_lost(self, error: TransportError) -> None:
        """A server that answers a word and nothing else is as good as down."""
        since = self._clock() - (self._answered or 0.0)
        if self._lost >= _LOST_ENOUGH and since >= self._patience:
            self._stop(f"has not answered any of the last {self._lost} calls", error)

    def _stop(self, what: str, error: TransportError) -> None:
        self._stopped = RunStopped(
            f"the server at {self.url} {what} (last: {error}); what is stored can be resumed when"
            " it is back"
        )
        raise self._stopped from error


def _wait(error: TransportError, tried: int, request: CompletionRequest, most: float) -> float:
    """Seconds before the next try: what the server asks for, else doubling, spread by the call."""
    if error.retry_after is not None:
        return min(max(error.retry_after, min(_LONGEST_WAIT, 0.01 * 2.0**tried)), most)
    text = request.messages[-1].content if request.messages else ""
    jitter = derive_seed(request.seed, "retry", text, tried) % 1000 / 1000
    return min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**tried) * (1 - 0.25 * jitter)
