"""A model behind the journal: what is asked, what is kept, what is replayed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from focusgroup.agents.llm import (
    LLM,
    Capabilities,
    Completion,
    JournaledLLM,
    JournalMode,
    ScriptedLLM,
    TransportError,
)
from focusgroup.simulator.errors import UserError


class Unreachable(ScriptedLLM):
    """A server that is down."""

    async def capabilities(self) -> Capabilities:
        raise UserError("no language model answers at http://nowhere/v1")


def counting() -> ScriptedLLM:
    """Says something else each time it is asked."""
    model = ScriptedLLM(lambda request: f"answer {model.calls}", delay=0.01)
    return model


def test_every_model_follows_the_protocol(journal):
    assert isinstance(ScriptedLLM(lambda request: ""), LLM)
    assert isinstance(JournaledLLM(ScriptedLLM(lambda request: ""), journal), LLM)


def test_a_second_run_makes_no_call_and_not_even_a_probe(journal, request_one):
    asked = [replace(request_one, replicate=n) for n in range(5)]

    async def play(model):
        await model.capabilities()
        return [await model.complete(one) for one in asked]

    first = JournaledLLM(counting(), journal)
    recorded = asyncio.run(play(first))
    assert (first.calls, first.hits) == (5, 0)

    again = JournaledLLM(Unreachable(lambda request: "never"), journal)
    assert asyncio.run(play(again)) == recorded
    assert (again.calls, again.hits) == (0, 5)

    replay = JournaledLLM(None, journal, JournalMode.REPLAY, fingerprint="scripted")
    assert asyncio.run(play(replay)) == recorded
    assert (replay.calls, replay.hits) == (0, 5)


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": 9},
        {"attempt": 1},
        {"replicate": 1},
        {"seed": 3},
        {"temperature": 0.5},
        {"schema": {"type": "object"}},
        {"top_logprobs": 3},
    ],
)
def test_anything_that_may_change_the_answer_is_asked_anew(journal, request_one, change):
    model = JournaledLLM(counting(), journal)

    async def play():
        return [await model.complete(one) for one in (request_one, replace(request_one, **change))]

    one, other = asyncio.run(play())
    assert one != other
    assert model.calls == 2


def test_another_model_is_asked_anew(journal, request_one):
    asyncio.run(JournaledLLM(counting(), journal).complete(request_one))
    other = ScriptedLLM(lambda request: "other", fingerprint="other")
    assert asyncio.run(JournaledLLM(other, journal).complete(request_one)).text == "other"


def test_identical_requests_at_once_share_one_call(journal, request_one):
    inner = counting()
    model = JournaledLLM(inner, journal)

    async def play():
        return await asyncio.gather(*(model.complete(request_one) for _ in range(20)))

    assert {reply.text for reply in asyncio.run(play())} == {"answer 1"}
    assert (inner.calls, model.calls, model.hits) == (1, 1, 19)


def test_a_waiter_that_is_cancelled_leaves_the_answer_to_the_others(journal, request_one):
    inner = counting()
    model = JournaledLLM(inner, journal)

    async def play():
        first = asyncio.create_task(model.complete(request_one))
        await asyncio.sleep(0)
        second = asyncio.create_task(model.complete(request_one))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(play()).text == "answer 1"
    assert inner.calls == 1


def test_transport_errors_are_not_kept_and_malformed_replies_are(journal, request_one):
    def answer(request):
        if inner.calls == 1:
            raise TransportError("gone")
        return Completion('{"picks": [1', finish_reason="length")

    inner = ScriptedLLM(answer)
    model = JournaledLLM(inner, journal)

    async def play():
        with pytest.raises(TransportError):
            await model.complete(request_one)
        return [await model.complete(request_one) for _ in range(2)]

    one, other = asyncio.run(play())
    assert one == other == Completion('{"picks": [1', finish_reason="length")
    assert inner.calls == 2


def test_a_failed_call_whose_waiters_are_gone_says_nothing(journal, request_one):
    def answer(request):
        raise TransportError("gone")

    complaints = []
    model = JournaledLLM(ScriptedLLM(answer, delay=0.01), journal)

    async def play():
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        waiter = asyncio.create_task(model.complete(request_one))
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        await asyncio.sleep(0.05)

    asyncio.run(play())
    assert not complaints


def test_the_stored_row_is_what_the_run_uses(journal, request_one):
    """Another process that shares the file has answered meanwhile: its answer counts."""

    def answer(request):
        journal.put(request.key("scripted"), Completion("the other process was first"))
        return "mine"

    reply = asyncio.run(JournaledLLM(ScriptedLLM(answer), journal).complete(request_one))
    assert reply.text == "the other process was first"


def test_a_miss_in_replay_is_an_error_that_names_the_request(journal, request_one):
    inner = counting()
    model = JournaledLLM(inner, journal, JournalMode.REPLAY)
    with pytest.raises(UserError, match=r"replay: no stored answer for 'The page:'.*journal"):
        asyncio.run(model.complete(request_one))
    with pytest.raises(UserError, match=r"replay: .* knows nothing of model 'scripted'"):
        asyncio.run(model.capabilities())
    assert inner.calls == 0


def test_off_neither_reads_nor_writes(journal, request_one):
    model = JournaledLLM(counting(), journal, JournalMode.OFF)

    async def play():
        return [(await model.complete(request_one)).text for _ in range(2)]

    assert asyncio.run(play()) == ["answer 1", "answer 2"]
    assert journal.totals().completions == 0
    assert model.calls == 2


def test_a_server_that_is_down_stops_a_resumed_run_instead_of_failing_its_turns(
    journal, request_one
):
    asyncio.run(JournaledLLM(counting(), journal).capabilities())
    model = JournaledLLM(Unreachable(lambda request: "never"), journal)
    assert asyncio.run(model.capabilities()) == Capabilities(json_schema=True, logprobs=True)
    with pytest.raises(UserError, match="no language model answers"):
        asyncio.run(model.complete(request_one))


def test_a_server_is_looked_at_once_however_many_calls_wait_for_it(journal, request_one):
    asyncio.run(JournaledLLM(counting(), journal).capabilities())
    looks = 0

    class Slow(ScriptedLLM):
        async def capabilities(self) -> Capabilities:
            nonlocal looks
            looks += 1
            await asyncio.sleep(0.01)
            return await super().capabilities()

    async def play():
        model = JournaledLLM(Slow(lambda request: "yes"), journal)
        asked = [replace(request_one, replicate=n) for n in range(20)]
        return await asyncio.gather(*map(model.complete, asked))

    assert len(asyncio.run(play())) == 20
    assert looks == 1


def test_what_a_model_once_lacked_is_looked_for_again(journal):
    asyncio.run(JournaledLLM(ScriptedLLM(str, logprobs=False), journal).capabilities())
    better = JournaledLLM(ScriptedLLM(str), journal)
    assert asyncio.run(better.capabilities()).logprobs


def test_closing_closes_the_model_and_gives_up_calls_under_way(journal, request_one):
    inner = ScriptedLLM(lambda request: "late", delay=60)
    model = JournaledLLM(inner, journal)

    async def play():
        waiter = asyncio.create_task(model.complete(request_one))
        await asyncio.sleep(0.01)
        await model.aclose()
        return await asyncio.gather(waiter, return_exceptions=True)

    (outcome,) = asyncio.run(play())
    assert isinstance(outcome, asyncio.CancelledError)
    assert inner.closed


def test_a_model_is_required_unless_replaying(journal):
    with pytest.raises(ValueError, match="needs a model"):
        JournaledLLM(None, journal, JournalMode.RECORD)
    with pytest.raises(ValueError, match="needs the fingerprint"):
        JournaledLLM(None, journal, JournalMode.REPLAY)
