"""Asking again, waiting for a server that is away, and stopping a run whose server stays away."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest

from focusgroup.agents.llm import (
    Message,
    TransportError,
    TransportKind,
)
from focusgroup.agents.llm.server.patience import PatientLLM
from focusgroup.simulator.errors import RunStopped

REFUSED = TransportError("http://one:8000/v1: refused", TransportKind.REFUSED)


@pytest.mark.parametrize(
    "error",
    [
        REFUSED,
        TransportError("late", TransportKind.TIMEOUT),
        TransportError("cut", TransportKind.DROPPED),
        *(
            TransportError("x", TransportKind.STATUS, status=status)
            for status in (408, 409, 500, 502, 503, 504, 529)
        ),
        TransportError("slow down", TransportKind.BUSY, status=429),
    ],
)
def test_what_may_pass_is_asked_again(in_no_time, served, error):
    async def main(clock):
        inner = served(clock, served.failing(error, 1.0))
        patient = PatientLLM(inner, clock=clock)
        return (await patient.complete(served.ask_of(0))).text, [when for when, _ in inner.asked]

    text, when = in_no_time(main)
    assert text == "yes"
    waits = [b - a for a, b in itertools.pairwise(when)]
    assert len(when) == 3
    assert 0.375 <= waits[0] <= 0.5
    assert 0.75 <= waits[1] <= 1.0


def test_the_waits_of_a_call_are_its_own_and_always_the_same(in_no_time, served):
    async def main(clock):
        inner = served(clock, served.failing(REFUSED, 1.0))
        patient = PatientLLM(inner, clock=clock)
        requests = [
            replace(served.ask_of(n), messages=(Message("user", f"{n}"),)) for n in range(5)
        ]
        await served.outcomes(patient, requests)
        return [(when, request.messages[0].content) for when, request in inner.asked]

    first = in_no_time(main)
    assert in_no_time(main) == first
    assert len({when for when, _ in first if 0.3 < when < 0.6}) == 5, "spread, not in one burst"


@pytest.mark.parametrize(
    "error",
    [
        TransportError("bad request", TransportKind.STATUS, status=400),
        TransportError("no such thing", TransportKind.STATUS, status=501),
        TransportError("html", TransportKind.MALFORMED),
        TransportError("huge", TransportKind.TOO_LARGE),
    ],
)
def test_what_will_not_pass_is_not_asked_again(in_no_time, served, error):
    async def main(clock):
        inner = served(clock, served.failing(error, 1.0))
        with pytest.raises(TransportError) as caught:
            await PatientLLM(inner, clock=clock).complete(served.ask_of(0))
        return caught.value, len(inner.asked)

    assert in_no_time(main) == (error, 1)


@pytest.mark.parametrize(
    ("status", "asked_for", "waits"),
    [
        (429, 7.0, (7.0, 7.0, 7.0)),
        (429, 0.0, (0.01, 0.02, 0.04)),
        (429, 1000.0, (120.0,)),
        (503, 7.0, (7.0, 7.0, 7.0)),
        (503, 0.01, (0.25, 0.5, 1.0)),
        (500, 0.01, (0.25, 0.5, 1.0)),
    ],
)
def test_a_server_is_left_alone_as_long_as_it_asks_and_longer_in_trouble(
    in_no_time, served, status, asked_for, waits
):
    kind = TransportKind.BUSY if status == 429 else TransportKind.STATUS
    error = TransportError("not now", kind, status=status, retry_after=asked_for)

    async def main(clock):
        def answer(request, now):
            if len(inner.asked) <= len(waits):
                raise error
            return 0.1, "yes"

        inner = served(clock, answer)
        await PatientLLM(inner, clock=clock).complete(served.ask_of(0))
        return [when for when, _ in inner.asked]

    when = in_no_time(main)
    waited = [b - a for a, b in itertools.pairwise(when)]
    assert len(waited) == len(waits)
    assert all(least <= w <= 1.25 * least for w, least in zip(waited, waits, strict=True))
    assert in_no_time(main) == when


def test_one_call_that_fails_where_others_are_answered_fails_alone(in_no_time, served):
    def answer(request, now):
        if request == served.ask_of(0):
            raise TransportError("boom", TransportKind.STATUS, status=500)
        return 0.1, "yes"

    async def main(clock):
        inner = served(clock, answer)
        patient = PatientLLM(inner, retries=3, clock=clock)
        work = asyncio.create_task(served.outcomes(patient, [served.ask_of(0)]))
        for n in range(1, 100):
            await patient.complete(served.ask_of(n))
        (error,) = await work
        return error, sum(request == served.ask_of(0) for _, request in inner.asked), inner.pings

    error, tries, pings = in_no_time(main)
    assert isinstance(error, TransportError)
    assert error.status == 500
    assert tries == 4
    assert pings == []


def test_one_call_alone_that_fails_does_not_take_the_run_with_it(in_no_time, served):
    async def main(clock):
        inner = served(clock, served.failing(TransportError("cut", TransportKind.DROPPED), 1e9))
        patient = PatientLLM(inner, clock=clock)
        with pytest.raises(TransportError):
            await patient.complete(served.ask_of(0))
        return clock(), len(inner.asked)

    seconds, tries = in_no_time(main)
    assert tries == 8, "one round more, for the server may have come back just then"
    assert seconds < 20


def test_calls_wait_for_a_server_that_comes_back_and_none_is_lost(in_no_time, served):
    def answer(request, now):
        if 10 <= now < 90:
            raise REFUSED
        return 1.0, "yes"

    def ping(now):
        if 10 <= now < 90:
            raise REFUSED

    async def main(clock):
        inner = served(clock, answer, ping=ping)
        patient = PatientLLM(inner, patience=120, clock=clock)

        async def visit(person):
            for _ in range(40):
                await patient.complete(served.ask_of(person))

        await asyncio.gather(*(visit(person) for person in range(16)))
        away = [when for when, _ in inner.asked if 10 <= when < 90]
        return len(inner.asked), len(away), len(inner.pings)

    asked, in_vain, pings = in_no_time(main)
    assert asked == 16 * 40 + in_vain
    assert in_vain <= 16 * 4
    assert 5 < pings < 25, "one looks, for all"


def test_a_server_that_stays_away_stops_the_run_and_fails_nobody(in_no_time, served):
    def ping(now):
        if now >= 10:
            raise REFUSED

    def answer(request, now):
        ping(now)
        return 1.0, "yes"

    async def main(clock):
        patient = PatientLLM(served(clock, answer, ping=ping), patience=30, clock=clock)

        async def visit(person):
            while True:
                await patient.complete(served.ask_of(person))

        ended = await asyncio.gather(*(visit(n) for n in range(16)), return_exceptions=True)
        return ended, clock()

    ended, seconds = in_no_time(main)
    assert {type(error) for error in ended} == {RunStopped}
    assert 40 <= seconds <= 41
    said = str(ended[0])
    assert "http://one:8000/v1 has not answered for 30 s" in said
    assert "refused" in said
    assert "resumed" in said


def test_a_quota_that_is_used_up_stops_the_run(in_no_time, served):
    busy = TransportError("quota", TransportKind.BUSY, status=429)

    def ping(now):
        raise busy

    async def main(clock):
        patient = PatientLLM(served(clock, served.failing(busy, 1e9), ping=ping), clock=clock)
        return await served.outcomes(patient, [served.ask_of(n) for n in range(4)]), clock()

    ended, seconds = in_no_time(main)
    assert {type(error) for error in ended} == {RunStopped}
    assert 120 <= seconds <= 140


def test_too_many_requests_are_no_failure_of_the_call(in_no_time, served):
    async def main(clock):
        busy = TransportError("slow down", TransportKind.BUSY, status=429)
        patient = PatientLLM(served(clock, served.failing(busy, 60)), retries=1, clock=clock)
        return await served.outcomes(patient, [served.ask_of(n) for n in range(4)])

    assert [reply.text for reply in in_no_time(main)] == ["yes"] * 4


def test_a_server_that_says_a_word_and_answers_nothing_is_as_good_as_down(in_no_time, served):
    async def main(clock):
        inner = served(clock, served.failing(TransportError("late", TransportKind.TIMEOUT), 1e9))
        patient = PatientLLM(inner, patience=60, clock=clock)
        failed = 0

        async def visit(person):
            nonlocal failed
            while True:
                try:
                    await patient.complete(served.ask_of(person))
                except TransportError:
                    failed += 1

        ended = await asyncio.gather(*(visit(n) for n in range(4)), return_exceptions=True)
        return {type(e) for e in ended}, str(ended[0]), failed, clock()

    kinds, said, failed, seconds = in_no_time(main)
    assert RunStopped in kinds
    assert "any of the last" in said
    assert 15 <= failed < 100
    assert 60 <= seconds < 70
