"""How many calls a server is sent at once: the limit, who goes first, and what it changes (no
reply)."""

from __future__ import annotations

import asyncio
import heapq
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.agents.llm import CompletionRequest, Message, TransportError, TransportKind
from focusgroup.agents.llm.server.limit import START, Limit
from focusgroup.agents.llm.server.openai import OpenAILLM
from focusgroup.agents.llm.server.pace import PacedLLM
from focusgroup.agents.llm.server.queue import queue_length
from focusgroup.agents.llm.server.slots import Slots


def drive(limit, calls, latency, *, demand=10**6, seed=0, sigma=0.0, at=lambda now, n: None):
    """Sends `calls` calls, as many at once as the limit lets; gives the limit after each.

    latency: (calls at once, seconds since the start) -> seconds, spread by sigma.
    """
    draw, under_way, now, seen = random.Random(seed), [], 0.0, []
    for n in range(calls):
        while len(under_way) < min(limit.value, demand):
            took = latency(len(under_way) + 1, now) * draw.lognormvariate(0, sigma)
            heapq.heappush(under_way, (now + took, took, limit.sent(len(under_way) + 1)))
        now, took, ticket = heapq.heappop(under_way)
        limit.answered(ticket, took)
        at(now, n)
        seen.append(limit.value)
    return seen


def shares(knee):
    """A server that works on `knee` calls at once at full speed; beyond it they share."""
    return lambda at_once, now: max(1.0, at_once / knee)


def test_it_starts_at_eight_and_climbs_to_the_cap_while_latency_stays():
    limit = Limit(256)
    assert limit.value == START == 8
    seen = drive(limit, 1000, lambda at_once, now: 0.05)
    assert seen[-1] == 256
    assert seen == sorted(seen)
    assert Limit(3).value == 3


@pytest.mark.parametrize("sigma", [0.0, 0.3])
@pytest.mark.parametrize("knee", [16, 64])
def test_it_finds_how_many_the_server_works_on(knee, sigma):
    seen = drive(Limit(256), 8000, shares(knee), sigma=sigma)
    settled = sorted(seen[2000:])
    assert knee <= settled[len(settled) // 2] <= 1.5 * knee
    assert settled[-1] <= 2.5 * knee, "nor does it try much more now and then"


def test_heavy_tails_do_not_keep_it_small():
    final = [drive(Limit(64), 3000, lambda n, now: 0.05, sigma=1, seed=s)[-1] for s in range(8)]
    assert sorted(final)[1] == 64


def test_one_burst_of_refusals_halves_it_once():
    limit = Limit(256)
    drive(limit, 1000, lambda at_once, now: 0.05)
    tickets = [limit.sent(256) for _ in range(50)]
    for ticket in tickets:
        limit.overloaded(ticket)
    assert limit.value == 128
    limit.overloaded(limit.sent(128))
    assert limit.value == 64


def test_it_gives_way_to_a_server_that_grows_slower_and_comes_back():
    limit = Limit(64)
    slow_at, fast_at = 40.0, 400.0
    lowest, last = 64, 0

    def note(now, n):
        nonlocal lowest, last
        if slow_at < now < fast_at:
            lowest = min(lowest, limit.value)
        last = limit.value

    drive(limit, 60_000, lambda n, now: 3.0 if slow_at < now < fast_at else 0.5, at=note)
    assert lowest < 64
    assert last == 64


def test_a_queue_at_the_server_takes_the_excess_back():
    limit = Limit(256)
    drive(limit, 1000, lambda at_once, now: 0.05)
    limit.queued(20)
    assert limit.value == 256, "a few that wait for a moment are no queue"
    limit.queued(64)
    assert limit.value == 192
    limit.queued(10_000)
    assert limit.value == 96, "by half at most"


def test_room_that_nobody_needs_is_not_taken():
    assert set(drive(Limit(256), 2000, lambda at_once, now: 0.05, demand=3)) == {START}


@given(
    st.integers(1, 300),
    st.lists(
        st.tuples(st.sampled_from("aoq"), st.floats(0, 100), st.integers(0, 500)), max_size=300
    ),
)
def test_it_stays_between_one_and_the_cap_whatever_happens(most, events):
    limit = Limit(most)
    for kind, seconds, number in events:
        ticket = limit.sent(number)
        if kind == "a":
            for _ in range(number):
                limit.answered(ticket, seconds)
        elif kind == "o":
            limit.overloaded(ticket)
        else:
            limit.queued(number)
        assert 1 <= limit.value <= most


def test_a_cap_below_one_is_an_error():
    with pytest.raises(ValueError, match="0 calls"):
        Limit(0)


def test_who_waits_is_let_in_by_rank_then_by_arrival():
    async def main():
        slots, order = Slots(lambda: 1), []

        async def visit(name, rank):
            await slots.enter(rank)
            order.append(name)
            await asyncio.sleep(0)
            slots.leave()

        async with asyncio.TaskGroup() as group:
            for name, rank in (("a", 5), ("b", 2), ("c", 1), ("d", 2), ("e", 1)):
                group.create_task(visit(name, rank))
        assert slots.taken == 0
        return order

    assert asyncio.run(main()) == ["a", "c", "e", "b", "d"]


def test_a_place_is_not_lost_with_those_who_are_called_away():
    async def main():
        slots = Slots(lambda: 1)
        await slots.enter(0)
        waiting = [asyncio.create_task(slots.enter(0)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        slots.leave()  # lets the first in, who is called away in the same moment
        waiting[0].cancel()
        await asyncio.gather(*waiting[:2], return_exceptions=True)
        await asyncio.wait_for(waiting[2], 1)
        return slots.taken

    assert asyncio.run(main()) == 1


def ask_of(person: int, page: int) -> CompletionRequest:
    return CompletionRequest((Message("system", f"person {person}"), Message("user", f"{page}")))


def test_people_under_way_are_served_before_new_ones_begin(in_no_time, served):
    async def main(clock):
        inner = served(clock, lambda request, now: (1.0, "yes"))
        paced = PacedLLM(inner, most=4, clock=clock)

        async def visit(person):
            for page in range(3):
                await paced.complete(ask_of(person, page))

        await asyncio.gather(*(visit(person) for person in range(40)))
        return [request.messages[0].content for _, request in inner.asked]

    asked = in_no_time(main)
    spans = [asked.index(who) + 3 for who in dict.fromkeys(asked)]
    last = [len(asked) - asked[::-1].index(who) for who in dict.fromkeys(asked)]
    assert all(end - begun <= 12 for begun, end in zip(spans, last, strict=True))


def test_a_server_that_refuses_more_than_twenty_is_sent_about_twenty(in_no_time, served):
    async def main(clock):
        def answer(request, now):
            if inner.in_flight > 20:
                raise TransportError("slow down", TransportKind.BUSY, status=429)
            return 0.5, "yes"

        inner = served(clock, answer)
        paced = PacedLLM(inner, most=256, clock=clock)
        refused = 0

        async def ask(n):
            nonlocal refused
            while True:
                try:
                    return await paced.complete(ask_of(n, 0))
                except TransportError:
                    refused += 1
                    await asyncio.sleep(1)

        await asyncio.gather(*(ask(n) for n in range(3000)))
        return inner, paced, refused

    inner, paced, refused = in_no_time(main)
    assert len(inner.asked) == 3000 + refused
    assert refused < 150
    assert inner.in_flight == 0
    assert paced.limit <= 40


def test_the_servers_own_queue_is_followed(in_no_time, served):
    async def main(clock):
        inner = served(
            clock,
            lambda request, now: (0.2, "yes"),
            queue=lambda now: max(0, inner.in_flight - 12) if now > 5 else 0,
        )
        paced = PacedLLM(inner, most=64, clock=clock)
        await asyncio.gather(*(paced.complete(ask_of(n, 0)) for n in range(4000)))
        return inner.most_in_flight, paced.limit

    most, last = in_no_time(main)
    assert most == 64
    assert last < 30


def test_replies_do_not_depend_on_the_limit(server):
    async def ask(most):
        async with OpenAILLM("demo-model", server.url, timeout=20) as model:
            paced = PacedLLM(model, most=most)
            asked = [replace(ask_of(n % 7, n), max_tokens=9) for n in range(60)]
            replies = await asyncio.gather(*(paced.complete(one) for one in asked))
        return [replace(reply, latency=0) for reply in replies]

    assert asyncio.run(ask(1)) == asyncio.run(ask(5)) == asyncio.run(ask(60))


METRICS = b"""# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_running{engine="0",model_name="m"} 8.0
vllm:num_requests_waiting{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting{engine="1",model_name="m"} 1.0e1
vllm:num_requests_waiting_by_reason{engine="1",reason="capacity"} 99.0
"""


@pytest.mark.parametrize(
    ("metrics", "length"),
    [
        (METRICS, 13),
        (b"llamacpp:requests_deferred 4\n", 4),
        (b'sglang:num_queue_reqs{model_name="m"} 2.0\n', 2),
        (b"process_cpu_seconds_total 3\n", None),
        (b"vllm:num_requests_waiting{} 1e+e\n", None),
        (b"", None),
    ],
)
def test_the_length_of_a_servers_queue(metrics, length):
    assert queue_length(metrics) == length


def test_metrics_are_looked_at_beside_the_api_without_the_key(raw_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(METRICS) + METRICS
    with raw_server(head) as (url, seen):

        async def look():
            async with OpenAILLM("m", url) as model:
                return await model.waiting()

        assert asyncio.run(look()) == 13
    request = seen.request
    assert request.startswith(b"GET /metrics ")
    assert b"sk-secret" not in request


def test_a_server_without_metrics_is_not_asked_again(server, monkeypatch):
    async def look():
        async with OpenAILLM("demo-model", server.url) as model:
            first = await model.waiting()
            monkeypatch.setattr(model._window, "get", None)  # a second look would fail
            return first, await model.waiting()

    assert asyncio.run(look()) == (None, None)
