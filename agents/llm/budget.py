"""A budget of tokens, money and time around language models: stops before it is exceeded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from focusgroup.simulator.errors import RunStopped

from .protocol import (
    LLM,
    Capabilities,
    Completion,
    CompletionRequest,
    TransportError,
    TransportKind,
    Usage,
    schema_texts,
    servers_away,
)

# A chat template adds a few tokens to every message, and some models a default system prompt.
_TEMPLATE_TOKENS = 16
_TEMPLATE_START = 64
# Where a server ended a call like this, it had not begun to work on it.
_FREE = (TransportKind.REFUSED, TransportKind.BUSY, TransportKind.STATUS, TransportKind.ENGINE)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend; None is no limit.

    Attributes:
        max_tokens: prompt and generated tokens together.
        max_cost: in the currency of the prices.
        max_seconds: from when the purse is made; calls under way are given up then.
        prompt_price: per million prompt tokens.
        completion_price: per million generated tokens.
    """

    max_tokens: int | None = None
    max_cost: float | None = None
    max_seconds: float | None = None
    prompt_price: float = 0.0
    completion_price: float = 0.0

    def cost(self, usage: Usage) -> float:
        """Money for this many tokens; cached prompt tokens at the full price."""
        return (
            usage.prompt * self.prompt_price + usage.completion * self.completion_price
        ) / 1_000_000


class Purse:
    """What all models of a run spend from one budget, calls under way included.

    Args:
        clock: seconds from any fixed instant; required with `Budget.max_seconds`.
        spent: tokens that count as spent already, say by the run that is resumed.

    Attributes:
        spent: tokens of all completions so far.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        clock: Callable[[], float] | None = None,
        spent: Usage | None = None,
    ) -> None:
        if budget.max_seconds is not None and clock is None:
            raise ValueError("a budget of seconds needs a clock")
        self.spent = spent or Usage()
        self._budget = budget
        self._clock = clock
        self._started = clock() if clock is not None else 0.0
        self._reserved = Usage()
        self._waiting: list[asyncio.Future[None]] = []

    async def reserve(self, most: Usage) -> None:
        """Set this much aside, once it fits beside what is under way; settle it afterwards.

        Raises:
            RunStopped: it does not fit even if everything under way turned out to be free.
        """
        while True:
            self.check_time()
            self._check(most)
            if self._excess(_add(self._reserved, most)) is None:
                break
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            finally:
                self._waiting.remove(waiter)
        self._reserved = _add(self._reserved, most)

    def settle(self, most: Usage, cost: Usage) -> None:
        """Pay what was set aside with what it came to."""
        self._reserved = _subtract(self._reserved, most)
        self.spent = _add(self.spent, cost)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def seconds_left(self) -> float | None:
        """Until the time is up, or None without a limit."""
        if self._clock is None or self._budget.max_seconds is None:
            return None
        return self._budget.max_seconds - (self._clock() - self._started)

    def check_time(self) -> None:
        """Raises RunStopped if the time is up."""
        left = self.seconds_left()
        if left is not None and left <= 0:
            raise self.out_of_time()

    def out_of_time(self) -> RunStopped:
        return RunStopped(
            f"the budget is spent: the {self._budget.max_seconds:g} seconds are over; what is"
            " stored can be resumed"
        )

    def _check(self, most: Usage) -> None:
        if (reason := self._excess(most)) is not None:
            raise RunStopped(
                f"the budget is spent: {reason}; what is stored can be resumed with a larger one"
            )

    def _excess(self, more: Usage) -> str | None:
        """What would be exceeded by this many tokens on top of those spent, in words."""
        budget = self._budget
        if budget.max_tokens is None and budget.max_cost is None:
            return None
        total = _add(self.spent, more)
        tokens, used = total.prompt + total.completion, self.spent.prompt + self.spent.completion
        if budget.max_tokens is not None and tokens > budget.max_tokens:
            return (
                f"{used} of {budget.max_tokens} tokens, and the next call may take {tokens - used}"
            )
        cost, paid = budget.cost(total), budget.cost(self.spent)
        if budget.max_cost is not None and cost > budget.max_cost:
            return (
                f"{paid:.4f} of {budget.max_cost:g}, and the next call may cost {cost - paid:.4f}"
            )
        return None


class _Deposit:
    """What is set aside for the try of a call that is under way."""

    def __init__(self, purse: Purse, most: Usage) -> None:
        self._purse, self._most = purse, most
        self._lies = False

    async def lay(self) -> None:
        await self._purse.reserve(self._most)
        self._lies = True

    def pay(self, cost: Usage) -> None:
        """Settles it, if any lies there."""
        if self._lies:
            self._lies = False
            self._purse.settle(self._most, cost)

    def cost_of(self, error: TransportError) -> Usage:
        return Usage() if error.kind in _FREE else self._most


_deposit: ContextVar[_Deposit | None] = ContextVar("deposit", default=None)


async def pay_lost_try(error: TransportError) -> None:
    """For who asks once more within a call: the try that failed is paid, and the next must fit.

    Outside a `BudgetedLLM`, nothing is paid.

    Raises:
        RunStopped: the next try does not fit, as `Purse.reserve`.
    """
    if (deposit := _deposit.get()) is not None:
        deposit.pay(deposit.cost_of(error))
        await deposit.lay()


class BudgetedLLM:
    """Passes requests on while the purse lasts.

    A call starts only if the most it can cost still fits: a token is at least one byte of the
    prompt, and at most `max_tokens` are generated. Where only calls under way stand against it, it
    waits for them to settle. Put it inside the journal: what is replayed costs nothing. A call is
    paid as the server counts it; where the count is missing, and where the answer was lost on its
    way, at the most it can have cost. A model that asks again within a call tells `pay_lost_try`,
    so that each try must fit and is paid; a model in another process cannot, and its call is paid
    once.
    """

    def __init__(self, inner: LLM, purse: Purse) -> None:
        self._inner = inner
        self._purse = purse

    @property
    def fingerprint(self) -> str:
        return self._inner.fingerprint

    async def complete(self, request: CompletionRequest) -> Completion:
        """As the model.

        Raises:
            RunStopped: the budget does not cover this call, or its time is over.
        """
        most = _at_most(request)
        deposit = _Deposit(self._purse, most)
        await deposit.lay()
        token = _deposit.set(deposit)
        cost = most
        try:
            async with asyncio.timeout(self._purse.seconds_left()) as limit:
                completion = await self._inner.complete(request)
            cost = _billed(completion, most)
        except TransportError as error:
            cost = deposit.cost_of(error)
            raise
        except RunStopped:
            cost = Usage()
            raise
        except TimeoutError as error:
            if limit.expired():
                raise self._purse.out_of_time() from error
            raise
        finally:
            _deposit.reset(token)
            deposit.pay(cost)
        return completion

    async def capabilities(self) -> Capabilities:
        """As the model; the few tokens of a probe are not counted."""
        return await self._inner.capabilities()

    def away(self) -> tuple[str, ...]:
        return servers_away(self._inner)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _at_most(request: CompletionRequest) -> Usage:
    schema = "" if request.schema is None else schema_texts(request.schema)[0]
    text = schema.encode() + b"".join(message.content.encode() for message in request.messages)
    template = _TEMPLATE_START + _TEMPLATE_TOKENS * len(request.messages)
    return Usage(prompt=len(text) + template, completion=request.max_tokens)


def _billed(completion: Completion, most: Usage) -> Usage:
    """What the server says, and the most where it says nothing: no prompt is 0 tokens long, and no
    text either."""
    usage = completion.usage
    said = usage.completion or not completion.text
    return Usage(
        usage.prompt or most.prompt,
        usage.completion if said else most.completion,
        usage.cached,
    )


def _add(a: Usage, b: Usage) -> Usage:
    return Usage(a.prompt + b.prompt, a.completion + b.completion, a.cached + b.cached)


def _subtract(a: Usage, b: Usage) -> Usage:
    return Usage(a.prompt - b.prompt, a.completion - b.completion, a.cached - b.cached)
