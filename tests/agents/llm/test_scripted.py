"""The scripted model says what it is told and remembers what it was asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from focusgroup.agents.llm import Capabilities, Completion, ScriptedLLM, TransportError, Usage


def test_it_answers_counts_and_records(request_one):
    model = ScriptedLLM(lambda request: f"{len(request.messages)} messages, I see")
    reply = asyncio.run(model.complete(request_one))
    assert reply == Completion("2 messages, I see", usage=Usage(prompt=5, completion=4))
    assert (model.calls, model.requests) == (1, [request_one])


def test_a_whole_completion_or_an_error_reaches_the_caller(request_one):
    whole = Completion("", finish_reason="length", logprobs=(("yes", -0.1),))

    def answer(request):
        if request.attempt:
            raise TransportError("gone")
        return whole

    model = ScriptedLLM(answer, logprobs=False, fingerprint="me")
    assert asyncio.run(model.complete(request_one)) is whole
    with pytest.raises(TransportError):
        asyncio.run(model.complete(replace(request_one, attempt=1)))
    assert asyncio.run(model.capabilities()) == Capabilities(json_schema=True, logprobs=False)
    assert model.fingerprint == "me"
