"""The budget is never exceeded, and what the journal knows costs nothing."""

from __future__ import annotations

import asyncio
import time
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
    Purse,
    ScriptedLLM,
    TransportError,
    TransportKind,
    Usage,
)
from focusgroup.agents.llm.server.patience import PatientLLM
from focusgroup.simulator.errors import RunStopped
from focusgroup.simulator.noise import derive_seed

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


def varying(longest: int) -> ScriptedLLM:
    """Every call takes another number of tokens, up to what a call of ASKED can take at most."""

    def answer(request: CompletionRequest) -> Completion:
        draw = derive_seed(0, "usage", request.replicate)
        return Completion("ok", usage=Usage(1 + draw % longest, draw // 1000 % 21))

    return ScriptedLLM(answer, delay=0.0001)


@settings(max_examples=25)
@given(st.integers(200, 6000), st.sampled_from([1, 5, 64]), st.integers(1, 180), st.integers(1, 3))
def test_models_of_one_purse_never_exceed_a_limit_of_tokens(limit, at_once, longest, models):
    purse = Purse(Budget(max_tokens=limit))

    async def play():
        spending = [BudgetedLLM(varying(longest), purse) for _ in range(models)]
        return await asyncio.gather(*(ask_until_stopped(one, at_once) for one in spending))

    reasons = asyncio.run(play())
    spent = purse.spent.prompt + purse.spent.completion
    assert spent <= limit
    assert all(f"of {limit} tokens" in reason for reason in reasons)
    assert limit - spent <= 250, "it stops only when the next call might not fit"


@settings(max_examples=15)
@given(st.floats(0.001, 0.006), st.floats(0, 4), st.floats(1, 8), st.sampled_from([4, 64]))
def test_a_limit_of_money_is_not_exceeded(limit, per_prompt, per_answer, at_once):
    budget = Budget(max_cost=limit, prompt_price=per_prompt, completion_price=per_answer)
    purse = Purse(budget)
    reason = asyncio.run(ask_until_stopped(BudgetedLLM(varying(150), purse), at_once))
    assert f"of {limit:g}, and the next call" in reason
    assert limit - budget.cost(Usage(200, 40)) < budget.cost(purse.spent) <= limit


def test_prices_are_per_million_tokens():
    budget = Budget(prompt_price=2.0, completion_price=8.0)
    assert budget.cost(Usage(1_000_000, 500_000)) == 6.0


def test_a_limit_of_time_stops_at_the_next_call():
    now = [1000.0]

    def answer(request):
        now[0] += 10
        return "ok"

    inner = ScriptedLLM(answer)
    model = BudgetedLLM(inner, Purse(Budget(max_seconds=35), clock=lambda: now[0]))
    assert "the 35 seconds are over" in asyncio.run(ask_until_stopped(model, 1))
    assert inner.calls == 4
    with pytest.raises(ValueError, match="clock"):
        Purse(Budget(max_seconds=35))


def test_a_call_under_way_is_given_up_when_the_time_is_over():
    inner = ScriptedLLM(lambda _: "ok", delay=60.0)
    model = BudgetedLLM(inner, Purse(Budget(max_seconds=0.05), clock=time.monotonic))
    with pytest.raises(RunStopped, match="seconds are over"):
        asyncio.run(model.complete(ASKED))


def test_a_server_that_times_out_is_not_taken_for_the_end_of_the_budget():
    def late(_):
        raise TimeoutError("its own")

    model = BudgetedLLM(ScriptedLLM(late), Purse(Budget(max_seconds=60), clock=lambda: 0.0))
    with pytest.raises(TimeoutError, match="its own"):
        asyncio.run(model.complete(ASKED))


def test_a_call_waits_where_only_calls_under_way_stand_against_it():
    inner = spending(delay=0.01)
    # One call may take up to 200 tokens but takes 50: ten fit, though two at once might not.
    purse = Purse(Budget(max_tokens=700))
    model = BudgetedLLM(inner, purse)

    async def play():
        asked = [replace(ASKED, replicate=n) for n in range(10)]
        await asyncio.gather(*(model.complete(one) for one in asked))

    asyncio.run(play())
    assert purse.spent == Usage(300, 200)


@pytest.mark.parametrize("kind", TransportKind)
def test_a_call_without_an_answer_is_paid_where_the_server_may_have_worked(kind):
    def fail(_):
        raise TransportError("gone", kind)

    purse = Purse(Budget(max_tokens=1000))
    with pytest.raises(TransportError):
        asyncio.run(BudgetedLLM(ScriptedLLM(fail), purse).complete(ASKED))
    worked = kind in (
        TransportKind.TIMEOUT,
        TransportKind.DROPPED,
        TransportKind.MALFORMED,
        TransportKind.TOO_LARGE,
    )
    assert (purse.spent == Usage()) is not worked
    assert purse.spent.prompt + purse.spent.completion in (0, 200)


def test_a_reply_without_a_count_is_paid_at_the_most():
    purse = Purse(Budget())
    asyncio.run(BudgetedLLM(ScriptedLLM(lambda _: Completion("ok")), purse).complete(ASKED))
    assert purse.spent == Usage(180, 20)


def test_what_was_spent_before_counts():
    purse = Purse(Budget(max_tokens=1000), spent=Usage(900, 50))
    model = BudgetedLLM(spending(), purse)
    with pytest.raises(RunStopped, match="950 of 1000 tokens"):
        asyncio.run(model.complete(ASKED))


def test_journal_hits_cost_nothing(journal):
    purse = Purse(Budget(max_tokens=300))
    journaled = JournaledLLM(BudgetedLLM(spending(), purse), journal)

    async def play():
        return [await journaled.complete(ASKED) for _ in range(100)]

    assert len(asyncio.run(play())) == 100
    assert purse.spent == Usage(30, 20)


def test_no_limit_is_no_limit():
    model = BudgetedLLM(spending(), Purse(Budget()))
    asyncio.run(model.complete(ASKED))
    assert model.fingerprint == "scripted"
    assert asyncio.run(model.capabilities()).json_schema


@pytest.mark.parametrize("at_once", [1, 8])
def test_every_try_of_a_call_must_fit_and_is_paid(in_no_time, served, at_once):
    """A server that works on what it never answers in time, and bills it."""
    late = TransportError("late", TransportKind.TIMEOUT)

    async def main(clock):
        inner = served(clock, lambda request, now: _raise(late))
        purse = Purse(Budget(max_tokens=1100))
        model = BudgetedLLM(PatientLLM(inner, clock=clock), purse)
        asked = [replace(ASKED, replicate=n) for n in range(at_once)]
        ended = await asyncio.gather(*(model.complete(r) for r in asked), return_exceptions=True)
        return len(inner.asked), purse.spent, ended

    tries, spent, ended = in_no_time(main)
    assert tries == 5, "as many as 1100 tokens are enough for, at 200 each"
    assert spent.prompt + spent.completion == 1000
    assert {type(error) for error in ended} == {RunStopped}


def test_tries_that_were_refused_cost_nothing(in_no_time, served):
    refused = TransportError("nobody there", TransportKind.REFUSED)

    async def main(clock):
        inner = served(clock, lambda request, now: "yes" if now > 1 else _raise(refused))
        purse = Purse(Budget(max_tokens=250))
        return await BudgetedLLM(PatientLLM(inner, clock=clock), purse).complete(ASKED), len(
            inner.asked
        )

    completion, tries = in_no_time(main)
    assert completion.text == "yes"
    assert tries == 3


def _raise(error: Exception) -> str:
    raise error
