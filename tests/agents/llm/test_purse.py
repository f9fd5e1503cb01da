"""What a call is set aside for and paid at, where that is easily forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from focusgroup.agents.llm import (
    Budget,
    BudgetedLLM,
    CompletionRequest,
    Message,
    Purse,
    ScriptedLLM,
    Usage,
)
from focusgroup.simulator.errors import RunStopped

ASKED = CompletionRequest((Message("user", "x" * 100),), max_tokens=20)


def test_a_schema_may_go_into_the_prompt_and_is_set_aside_as_well():
    """Servers that cannot hold a model to a schema show it to the model."""
    schema = {"type": "object", "description": "y" * 2000}
    purse = Purse(Budget(max_tokens=1000))
    model = BudgetedLLM(ScriptedLLM(lambda request: "yes"), purse)
    asyncio.run(model.complete(ASKED))
    with pytest.raises(RunStopped, match="the next call may take 2"):
        asyncio.run(model.complete(replace(ASKED, schema=schema)))


def test_a_call_that_stopped_with_the_run_was_never_answered_and_costs_nothing():
    def stop(request: CompletionRequest) -> str:
        raise RunStopped("the server is gone")

    purse = Purse(Budget(max_tokens=10_000))
    with pytest.raises(RunStopped, match="gone"):
        asyncio.run(BudgetedLLM(ScriptedLLM(stop), purse).complete(ASKED))
    assert purse.spent == Usage()
