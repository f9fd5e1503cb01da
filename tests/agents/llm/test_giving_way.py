"""What makes the limit give way, what a pace and a patience remember, and what they forget."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from focusgroup.agents.llm import CompletionRequest, Message, TransportError, TransportKind
from focusgroup.agents.llm.server.limit import START, Limit
from focusgroup.agents.llm.server.pace import PacedLLM
from focusgroup.agents.llm.server.patience import PatientLLM
from focusgroup.agents.llm.server.slots import Slots
from focusgroup.simulator.errors import RunStopped

REFUSED = TransportError("http://one:8000/v1: refused", TransportKind.REFUSED)


def ask_of(n: int) -> CompletionRequest:
    return CompletionRequest((Message("system", f"person {n}"), Message("user", "The page:")))


def window(limit: Limit, latency: float, *, full: bool = True) -> int:
    """Calls of one latency until the limit has made up its mind about them; it, then."""
    before = limit.value
    for _ in range(4 * max(64, 2 * before)):
        ticket = limit.sent(before if full else 1)
        limit.answered(ticket, latency)
        if limit.value != before:
            break
    return limit.value


@pytest.mark.parametrize(
    ("error", "gives_way"),
    [
        (TransportError("slow down", TransportKind.BUSY, status=429), True),
        (TransportError("late", TransportKind.TIMEOUT), True),
        (TransportError("overloaded", TransportKind.STATUS, status=503), True),
        (TransportError("broken", TransportKind.STATUS, status=500), False),
        (TransportError("dropped", TransportKind.DROPPED), False),
    ],
)
def test_only_what_says_too_much_makes_it_give_way(in_no_time, served, error, gives_way):
    async def main(clock):
        def answer(request, now):
            raise error

        paced = PacedLLM(served(clock, answer), most=64, clock=clock)
        with pytest.raises(TransportError):
            await paced.complete(ask_of(0))
        return paced.limit

    assert in_no_time(main) == (START // 2 if gives_way else START)


def test_how_fast_a_server_was_is_forgotten_once_it_said_too_much():
    limit = Limit(8)
    window(limit, 1.0)
    limit.overloaded(limit.sent(8))
    assert limit.value == 4
    for _ in range(200):  # three times slower than it was: that is how it is now
        limit.answered(limit.sent(4), 3.0)
    assert limit.value >= 4


def test_steps_that_bring_nothing_are_tried_ever_less_often():
    limit, tried, values = Limit(256), [], [START]
    for n in range(60_000):
        limit.answered(limit.sent(limit.value), limit.value / 8)  # it works on eight at once
        if limit.value > values[-1]:
            tried.append(n)
        values.append(limit.value)
    gaps = [after - before for before, after in pairwise(tried)]
    assert gaps[-1] > 4 * min(gaps)


def test_a_step_that_was_not_needed_is_taken_back():
    limit = Limit(64)
    assert window(limit, 1.0) == 16
    assert window(limit, 1.0, full=False) == START


def test_who_comes_while_others_wait_for_new_room_goes_behind_them():
    async def main():
        room, order = 1, []
        slots = Slots(lambda: room)
        await slots.enter(0)

        async def visit(name, rank):
            await slots.enter(rank)
            order.append(name)

        first = asyncio.create_task(visit("first", 1))
        await asyncio.sleep(0)
        room = 2  # nobody has been told yet
        second = asyncio.create_task(visit("second", 2))
        await first
        slots.leave()
        await second
        return order

    assert asyncio.run(asyncio.wait_for(main(), 5)) == ["first", "second"]


def test_calls_lost_before_others_were_answered_do_not_count_for_ever(in_no_time, served):
    late = TransportError("late", TransportKind.TIMEOUT)

    async def main(clock):
        def answer(request, now):
            if request.messages[0].content == "person 1":
                raise late
            return 0.1, "yes"

        patient = PatientLLM(served(clock, answer), retries=0, patience=30, clock=clock)
        for _ in range(20):
            with pytest.raises(TransportError):
                await patient.complete(ask_of(1))
            await patient.complete(ask_of(2))
        await asyncio.sleep(100)  # nobody asked anything
        with pytest.raises(TransportError):
            await patient.complete(ask_of(1))

    in_no_time(main)


def test_once_the_run_is_stopped_nobody_looks_again(in_no_time, served):
    async def main(clock):
        looks = []

        def ping(now):
            looks.append(now)
            raise REFUSED

        def answer(request, now):
            raise REFUSED

        patient = PatientLLM(served(clock, answer, ping=ping), patience=30, clock=clock)
        asked = (patient.complete(ask_of(n)) for n in range(16))
        ended = await asyncio.gather(*asked, return_exceptions=True)
        return {type(error) for error in ended}, looks

    ended, looks = in_no_time(main)
    assert ended == {RunStopped}
    assert len([now for now in looks if now >= 30]) <= 2
