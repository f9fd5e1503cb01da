"""Servers that refuse: too much at once is given way to, a share whatever the number is borne."""

from __future__ import annotations

import asyncio
import heapq
import random
from dataclasses import dataclass

import pytest

from focusgroup.agents.llm import CompletionRequest, Message, TransportError, TransportKind
from focusgroup.agents.llm.server.limit import START, Limit
from focusgroup.agents.llm.server.pace import PacedLLM
from focusgroup.agents.llm.server.patience import PatientLLM
from focusgroup.agents.llm.server.refusals import Retreat, Tally, Watch

MOST = 64


@dataclass(frozen=True)
class Constant:
    """What a limit is held against: always the same."""

    value: int

    def sent(self, in_flight):
        return 0

    def answered(self, ticket, latency):
        pass

    def overloaded(self, ticket):
        pass


@dataclass(frozen=True)
class Outcome:
    """How a server was asked: answers a second, share refused, (when, limit) after each call."""

    speed: float
    refused: float
    limits: list[tuple[float, int]]

    def mean(self, since=0.0, until=float("inf")):
        """The limit, by time."""
        spans = zip(self.limits, self.limits[1:], strict=False)
        held = [(then - now, value) for (now, value), (then, _) in spans if since <= now < until]
        return sum(span * value for span, value in held) / sum(span for span, _ in held)


def serve(limit, calls=5000, *, room=lambda now: 10**9, flaky=0.0, refusal=0.05, sigma=0.5, seed=1):
    """Asks a server until it has answered `calls`, as many at once as the limit lets.

    room: seconds since the start -> calls it works on; more are refused. flaky: share it refuses
    besides. refusal: seconds one takes; an answer takes one, spread by sigma. Who was refused waits
    before asking again, others ask meanwhile.
    """
    draw = random.Random(seed)
    ready, events, limits = [(n, 0) for n in range(4 * MOST)], [], []
    now, sent, out, at_work, answered, refused = 0.0, 0, 0, 0, 0, 0
    while answered < calls:
        while ready and out < limit.value:
            who, tries = heapq.heappop(ready)
            out, sent = out + 1, sent + 1
            ticket = limit.sent(out)
            if at_work >= room(now) or draw.random() < flaky:
                event = (now + refusal, sent, "refused", who, tries, ticket, 0.0)
            else:
                at_work += 1
                took = draw.lognormvariate(0, sigma)
                event = (now + took, sent, "answered", who, tries, ticket, took)
            heapq.heappush(events, event)
        now, _, kind, who, tries, ticket, took = heapq.heappop(events)
        if kind == "waited":
            heapq.heappush(ready, (who, tries))
            continue
        out -= 1
        if kind == "answered":
            at_work, answered = at_work - 1, answered + 1
            limit.answered(ticket, took)
            heapq.heappush(ready, (who, 0))
        else:
            refused += 1
            limit.overloaded(ticket)
            wait = min(8, 0.5 * 2 ** min(tries, 9))
            heapq.heappush(events, (now + wait, sent + refused, "waited", who, tries + 1, 0, 0.0))
        limits.append((now, limit.value))
    return Outcome(answered / now, refused / (answered + refused), limits)


@pytest.mark.parametrize("sigma", [0.5, 1.0])
@pytest.mark.parametrize("share", [0.003, 0.01, 0.09, 0.3])
def test_a_share_that_is_refused_whatever_the_number_costs_little(share, sigma):
    found = serve(Limit(MOST), flaky=share, sigma=sigma)
    best = serve(Constant(MOST), flaky=share, sigma=sigma)
    assert found.speed > 0.75 * best.speed
    assert found.mean() > 0.8 * MOST


@pytest.mark.parametrize("room", [1, 2, 4, 7, 16, 23, 40, 50])
def test_a_server_that_refuses_what_is_too_much_is_sent_what_it_bears(room):
    found = serve(Limit(MOST), room=lambda now: room)
    best = serve(Constant(room), room=lambda now: room)
    assert found.speed > 0.85 * best.speed
    assert found.refused < 0.04
    assert 0.85 * room < found.mean() < 1.15 * room


@pytest.mark.parametrize(
    ("room", "share"), [(4, 0.09), (16, 0.01), (16, 0.09), (16, 0.3), (50, 0.09)]
)
def test_both_at_once_are_told_apart(room, share):
    found = serve(Limit(MOST), room=lambda now: room, flaky=share)
    best = serve(Constant(room), room=lambda now: room, flaky=share)
    assert found.speed > 0.8 * best.speed
    assert found.refused < share + 0.07
    assert found.mean() < 1.15 * room


def test_refusals_that_take_long_do_not_lift_it_step_by_step():
    found = serve(Limit(MOST), 10_000, room=lambda now: 16, refusal=1.0)
    assert found.refused < 0.03
    assert found.limits[-1][1] <= 18


@pytest.mark.parametrize("share", [0.0, 0.09])
def test_a_server_that_bears_less_for_a_time_is_followed_down_and_up(share):
    low, high = 100.0, 300.0
    found = serve(Limit(MOST), 16_000, room=lambda now: 8 if low < now < high else 50, flaky=share)
    assert 6 < found.mean(low + 20, high) < 9
    assert found.mean(high + 150) > 40


def test_a_server_that_refuses_all_for_a_time_is_asked_one_at_a_time_and_then_as_before():
    found = serve(Limit(MOST), 8000, room=lambda now: 0 if 60 < now < 90 else 10**9)
    assert found.mean(70, 90) == 1
    assert found.mean(150) > 0.9 * MOST


def asked(limit, calls, *, refuse=lambda n: False):
    """So many calls one after the other, as if all places were taken; the limits after each."""
    seen = []
    for n in range(calls):
        ticket = limit.sent(limit.value)
        limit.overloaded(ticket) if refuse(n) else limit.answered(ticket, 1.0)
        seen.append(limit.value)
    return seen


def test_one_refusal_among_hundreds_is_a_short_dip():
    limit = Limit(MOST)
    asked(limit, 1000)
    seen = asked(limit, 400, refuse=lambda n: n == 0)
    assert seen[0] == MOST // 2
    assert MOST in seen[:100]
    assert set(seen[100:]) == {MOST}


def test_it_climbs_on_from_where_it_was_refused_by_chance():
    limit = Limit(MOST)
    seen = asked(limit, 1000, refuse=lambda n: n == 20)
    assert START in seen[:20]
    assert seen[-1] == MOST


def test_a_refused_step_is_taken_back_and_the_next_is_smaller():
    found = serve(Limit(MOST), room=lambda now: 19)
    highest = max(value for _, value in found.limits)
    late = {value for _, value in found.limits[len(found.limits) // 2 :]}
    assert highest == 32
    assert 18 <= min(late) <= max(late) <= 24


def test_calls_let_in_before_the_limit_fell_say_nothing_of_the_lower_one():
    limit = Limit(8)
    for _ in range(8):
        limit.overloaded(limit.sent(8))
    assert limit.value == 4


def test_what_is_usual_is_learned_by_giving_way_and_forgotten_when_it_is_over():
    watch = Watch()
    watch.begin(0)
    assert watch.too_many(True), "at first any is one too many"
    watch.usual = 0.3
    watch.begin(0)
    assert not any(watch.too_many(n % 4 == 0) for n in range(200))
    assert watch.usual == 0.3
    assert not any(watch.too_many(False) for _ in range(3000))
    assert watch.usual < 0.05
    assert sum(not watch.too_many(True) for _ in range(20)) < 6


def test_refusals_that_overtake_the_answers_are_no_streak():
    watch = Watch()
    watch.usual = 0.1
    watch.begin(64)
    assert not any(watch.too_many(True) for _ in range(7))
    assert not any(watch.too_many(False) for _ in range(64))
    assert watch.streak == Tally()


@pytest.mark.parametrize(
    ("before", "after", "helped"),
    [
        (Tally(20, 10), 0, True),
        (Tally(20, 10), 32, False),
        (Tally(40, 4), 6, False),
        (Tally(7, 0), 0, False),
        (Tally(64, 60), 19, True),
    ],
)
def test_whether_giving_way_helped(before, after, helped):
    retreat = Retreat(limit=64, epoch=1, trying=None, before=before)
    retreat.begin(4)
    verdicts = [retreat.helped(False) for _ in range(4)]  # the server settles
    for n in range(64):
        verdicts.append(retreat.helped(n * after // 64 != (n + 1) * after // 64))
        if verdicts[-1] is not None:
            break
    assert verdicts[-1] is helped
    assert verdicts[:-1] == [None] * (len(verdicts) - 1)


def test_a_flaky_proxy_does_not_make_a_run_one_call_at_a_time(in_no_time, served):
    draw = random.Random(5)

    async def main(clock):
        def answer(request, now):
            if draw.random() < 0.09:
                raise TransportError("bad gateway", TransportKind.STATUS, status=503)
            return 1.0, "yes"

        inner = served(clock, answer)
        paced = PacedLLM(inner, most=32, clock=clock)
        patient = PatientLLM(paced, retries=8, clock=clock)

        async def ask(n):
            prompt = (Message("system", f"person {n}"), Message("user", "The page:"))
            return await patient.complete(CompletionRequest(prompt, seed=n))

        replies = await asyncio.gather(*(ask(n) for n in range(2000)))
        return len(replies), clock()

    answered, seconds = in_no_time(main)
    assert answered == 2000
    assert seconds < 2 * 2000 / 32
