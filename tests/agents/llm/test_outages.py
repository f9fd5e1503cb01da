"""Servers in trouble for a moment, that drain, are killed, and come back: nobody is lost."""

from __future__ import annotations

import asyncio

import pytest

from focusgroup.agents.llm import (
    LLMOptions,
    TransportError,
    TransportKind,
    open_llm,
    parse_llm,
)
from focusgroup.agents.llm.server.openai import OpenAILLM
from focusgroup.agents.llm.server.patience import PatientLLM
from focusgroup.simulator.errors import RunStopped, UserError
from focusgroup.simulator.noise import derive_seed

REFUSED = TransportError("http://one:8000/v1: refused", TransportKind.REFUSED)


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize("calls", [1, 36, 200])
def test_a_server_in_trouble_for_a_moment_loses_no_call(in_no_time, served, status, calls):
    """It refuses at once and asks to be asked again at once, so that retries are soon used up."""
    trouble = TransportError("no", TransportKind.STATUS, status=status, retry_after=0.01)

    async def main(clock):
        def troubled(now):
            # Also between looks, and for a moment only.
            if 2 <= now < 5 or 7 <= now < 7.3 or 9 <= now < 30:
                raise trouble

        def answer(request, now):
            troubled(now)
            return 0.05 + 0.01 * (len(inner.asked) % 7), "yes"

        inner = served(clock, answer, ping=troubled)
        patient = PatientLLM(inner, patience=30, clock=clock)

        async def visit(person):
            while clock() < 40:
                await patient.complete(served.ask_of(person))

        return await asyncio.gather(*(visit(n) for n in range(calls)))

    assert in_no_time(main) == [None] * calls


def test_a_server_that_drains_is_away_though_it_still_answers(in_no_time, served):
    """Who had asked before is answered for 20 s more, everybody else sent away."""
    trouble = TransportError("draining", TransportKind.STATUS, status=503)

    async def main(clock):
        def drained(now):
            if 10 <= now < 40:
                raise trouble

        def answer(request, now):
            drained(now)
            return (1.0 + 19.0 * int(request.messages[0].content[7:]) / 36), "yes"

        inner = served(clock, answer, ping=drained)
        patient = PatientLLM(inner, patience=60, clock=clock)

        async def visit(person):
            while clock() < 60:
                await patient.complete(served.ask_of(person))

        return await asyncio.gather(*(visit(n) for n in range(36)))

    assert in_no_time(main) == [None] * 36


def test_a_server_that_fails_a_third_of_all_tries_goes_on(in_no_time, served):
    trouble = TransportError("no", TransportKind.STATUS, status=500, retry_after=0.01)

    async def main(clock):
        def unlucky(now):
            if derive_seed(0, "luck", len(inner.asked), len(inner.pings)) % 10 < 3:
                raise trouble

        def answer(request, now):
            unlucky(now)
            return 0.05, "yes"

        inner = served(clock, answer, ping=unlucky)
        patient = PatientLLM(inner, patience=5, clock=clock)
        lost = 0

        async def visit(person):
            nonlocal lost
            for _ in range(50):
                try:
                    await patient.complete(served.ask_of(person))
                except TransportError:
                    lost += 1

        await asyncio.gather(*(visit(n) for n in range(36)))
        return lost

    assert 2 <= in_no_time(main) <= 60, "0.3 to the 4th of 1800 is 15"


def test_a_server_that_is_gone_again_as_soon_as_it_is_found_loses_nobody(in_no_time, served):
    """Everyone who waits learns that it had been away, not only the one who looked."""

    async def main(clock):
        def ping(now):
            if len(inner.pings) % 2:
                raise REFUSED

        inner = served(clock, served.failing(REFUSED, 60), ping=ping)
        patient = PatientLLM(inner, clock=clock)
        replies = await served.outcomes(patient, [served.ask_of(n) for n in range(6)])
        return [reply.text for reply in replies], len(inner.pings)

    texts, pings = in_no_time(main)
    assert texts == ["yes"] * 6
    assert pings >= 6, "it was found to be back again and again"


def test_who_waited_for_a_turn_while_others_were_answered_met_no_silence(in_no_time, served):
    async def main(clock):
        gone = [False]

        def ping(now):
            if gone[0]:
                raise REFUSED

        async def turn_comes_late(request):
            if request == served.ask_of(0):
                await asyncio.sleep(100)
                gone[0] = True
                raise REFUSED
            return await answered(request)

        inner = served(clock, lambda request, now: (1.0, "yes"), ping=ping)
        answered = inner.complete
        inner.complete = turn_comes_late
        patient = PatientLLM(inner, retries=0, patience=30, clock=clock)
        late = asyncio.create_task(served.outcomes(patient, [served.ask_of(0), served.ask_of(0)]))
        for n in range(1, 100):
            await patient.complete(served.ask_of(n))
        return await late, clock()

    ended, seconds = in_no_time(main)
    assert any(isinstance(error, RunStopped) for error in ended)
    assert seconds >= 125, "silent since the last answer"


def test_a_call_that_is_given_up_while_it_looks_leaves_the_looking_to_others(in_no_time, served):
    def ping(now):
        if now < 60:
            raise REFUSED

    async def main(clock):
        patient = PatientLLM(served(clock, served.failing(REFUSED, 60), ping=ping), clock=clock)
        calls = [asyncio.create_task(patient.complete(served.ask_of(n))) for n in range(3)]
        await asyncio.sleep(20)
        for call in calls[:2]:
            call.cancel()
        return (await calls[2]).text

    assert in_no_time(main) == "yes"


def test_a_server_that_is_down_at_the_start_is_the_users_error(in_no_time):
    model = open_llm(parse_llm("openai:m@http://127.0.0.1:1/v1"), LLMOptions(patience=50))

    async def main():
        try:
            await model.capabilities()
        finally:
            await model.aclose()

    with pytest.raises(UserError, match=r"no language model answers at http://127\.0\.0\.1:1/v1"):
        asyncio.run(main())


def test_a_real_server_that_is_killed_and_started_again(start_server, served):
    async def main():
        with start_server("--delay", "0.02") as server:
            port = server.origin.rpartition(":")[2]
            model = PatientLLM(OpenAILLM("demo-model", server.url, timeout=5), patience=30)
            await model.capabilities()
            calls = [asyncio.create_task(visit(model, n)) for n in range(6)]
            await asyncio.sleep(0.2)
            server.stop()
            await asyncio.sleep(0.3)
            with start_server("--port", port):
                answered = await asyncio.gather(*calls)
                await model.aclose()
        return answered

    async def visit(model, person):
        return [(await model.complete(served.ask_of(person))).text for _ in range(20)]

    assert all(set(texts) <= {"yes", "no"} for texts in asyncio.run(main()))


def test_a_real_server_that_is_killed_stops_the_run(start_server, served):
    async def main():
        with start_server() as server:
            model = PatientLLM(OpenAILLM("demo-model", server.url), retries=1, patience=0.5)
            await model.complete(served.ask_of(0))
            server.stop()
            try:
                return await served.outcomes(model, [served.ask_of(n) for n in range(8)])
            finally:
                await model.aclose()

    ended = asyncio.run(main())
    assert {type(error) for error in ended} == {RunStopped}
