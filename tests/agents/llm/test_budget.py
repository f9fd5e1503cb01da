"""The budget is never exceeded, and what the journal knows costs nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focusgroup.agents.llm import (
    Budget,
    BudgetedLLM,
    Completion,
    CompletionRequest,
    JournaledLLM,
    Message,
    ScriptedLLM,
    TransportError,
    Usage,
)
from focusgroup.simulator.errors import RunStopped

ASKED = CompletionRequest((Message("user", "x" * 100),), max_tokens=20)


def spending(prompt: int = 30, completion: int = 20, delay: float = 0.0) -> ScriptedLLM:
    usage = Usage(prompt, completion)
    return ScriptedLLM(lambda request: Completion("ok", usage=usage), delay=delay)


async def ask_until_stopped(model: BudgetedLLM, at_once: int, rounds: int = 600) -> str:
    async def one(n: int) -> None:
        for turn in range(rounds):
            await model.complete(replace(ASKED, replicate=n * rounds + turn))

    outcomes = await asyncio.gather(*(one(n) for n in range(at_once)), return_exceptions=True)
    (stopped,) = {str(outcome) for outcome in outcomes}
    return stopped


@settings(max_examples=20, deadline=None)
@given(st.integers(200, 4000), st.integers(1, 16), st.integers(10, 100), st.integers(0, 20))
def test_no_number_of_concurrent_calls_exceeds_a_limit_of_tokens(limit, at_once, prompt, said):
    model = BudgetedLLM(spending(prompt, said), Budget(max_tokens=limit))
    reason = asyncio.run(ask_until_stopped(model, at_once))
    spent = model.spent.prompt + model.spent.completion
    assert spent <= limit
    assert f"of {limit} tokens" in reason
    assert limit - spent <= 250, "it stops only when the next call might not fit"


def test_a_limit_of_money_is_not_exceeded():
    budget = Budget(max_cost=0.01, prompt_price=2.0, completion_price=8.0)
    model = BudgetedLLM(spending(), budget)
    assert "of 0.01" in asyncio.run(ask_until_stopped(model, 4))
    assert 0.008 < budget.cost(model.spent) <= 0.01


def test_prices_are_per_million_tokens():
    budget = Budget(prompt_price=2.0, completion_price=8.0)
    assert budget.cost(Usage(1_000_000, 500_000)) == 6.0


def test_a_limit_of_time_stops_at_the_next_call():
    now = [1000.0]

    def answer(request):
        now[0] += 10
        return "ok"

    inner = ScriptedLLM(answer)
    model = BudgetedLLM(inner, Budget(max_seconds=35), clock=lambda: now[0])
    assert "of 35 seconds" in asyncio.run(ask_until_stopped(model, 1))
    assert inner.calls == 4
    with pytest.raises(ValueError, match="clock"):
        BudgetedLLM(inner, Budget(max_seconds=35))


def test_a_call_waits_where_only_calls_under_way_stand_against_it():
    inner = spending(delay=0.01)
    # One call may take up to 200 tokens but takes 50: ten fit, though two at once might not.
    model = BudgetedLLM(inner, Budget(max_tokens=700))

    async def play():
        asked = [replace(ASKED, replicate=n) for n in range(10)]
        await asyncio.gather(*(model.complete(one) for one in asked))

    asyncio.run(play())
    assert model.spent == Usage(300, 200)


def test_a_failed_or_cancelled_call_gives_its_reservation_back():
    def answer(request):
        if inner.calls <= 2:
            raise TransportError("gone")
        return "ok"

    inner = ScriptedLLM(answer, delay=0.001)
    model = BudgetedLLM(inner, Budget(max_tokens=250))

    async def play():
        for _ in range(2):
            with pytest.raises(TransportError):
                await model.complete(ASKED)
        cancelled = asyncio.create_task(model.complete(ASKED))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        return await model.complete(ASKED)

    assert asyncio.run(play()).text == "ok"


def test_what_was_spent_before_counts():
    model = BudgetedLLM(spending(), Budget(max_tokens=1000), spent=Usage(900, 50))
    with pytest.raises(RunStopped, match="950 of 1000 tokens"):
        asyncio.run(model.complete(ASKED))


def test_journal_hits_cost_nothing(journal):
    model = BudgetedLLM(spending(), Budget(max_tokens=300))
    journaled = JournaledLLM(model, journal)

    async def play():
        return [await journaled.complete(ASKED) for _ in range(100)]

    assert len(asyncio.run(play())) == 100
    assert model.spent == Usage(30, 20)


def test_no_limit_is_no_limit():
    model = BudgetedLLM(spending(), Budget())
    asyncio.run(model.complete(ASKED))
    assert model.fingerprint == "scripted"
    assert asyncio.run(model.capabilities()).json_schema
