"""The stand-in of a model: what a shared journal knows costs nothing, what it is told is kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from focusgroup.agents.llm import (
    Budget,
    Completion,
    CompletionRequest,
    Journal,
    Message,
    ScriptedLLM,
    Usage,
)
from focusgroup.scenarios.rehearsal import Kind, StandIn


def ask_of(n: int) -> CompletionRequest:
    return CompletionRequest((Message("user", f"words {n}"),))


def test_what_the_journal_knows_is_not_counted_and_what_is_asked_is_kept(tmp_path: Path) -> None:
    asked: list[str] = []

    def say(request: CompletionRequest) -> str:
        asked.append(request.messages[0].content)
        return "well"

    async def rehearse(journal: Journal) -> StandIn:
        model = ScriptedLLM(say, fingerprint="one")
        stand_in = StandIn(model, lambda _: "{}", (("yes", -0.1),), probe=4, journal=journal)
        await stand_in.open_probe()
        for n in range(3):
            await stand_in.complete(ask_of(n))
            await stand_in.complete(ask_of(n))
        return stand_in

    with Journal(tmp_path / "shared.sqlite") as journal:
        known = ask_of(1).key("one")
        journal.put(known, Completion("said before"))
        first = asyncio.run(rehearse(journal))
        assert asked == ["words 0", "words 2"]
        assert first.tallies[Kind.WORDS].calls == 2
        assert journal.totals().completions == 3
        again = asyncio.run(rehearse(journal))
        assert (len(asked), again.tallies[Kind.WORDS].calls) == (2, 0)
        stored = journal.get(known)
        assert stored is not None and stored.text == "said before"


@pytest.mark.parametrize(
    "budget", [Budget(max_tokens=600), Budget(max_cost=0.3, prompt_price=1000.0)]
)
def test_asking_keeps_to_the_limits_of_the_run(budget: Budget) -> None:
    model = ScriptedLLM(lambda _: Completion("well", usage=Usage(80, 10)), fingerprint="one")
    stand_in = StandIn(model, lambda _: "{}", (("yes", -0.1),), probe=9, budget=budget)

    async def rehearse() -> None:
        await stand_in.open_probe()
        for n in range(9):
            await stand_in.complete(ask_of(n))

    asyncio.run(rehearse())
    # A call is begun only where the most it can take still fits: 87 bytes, 256 tokens of answer.
    assert len(stand_in.asked) == model.calls == 3
    assert stand_in.tallies[Kind.WORDS].calls == 9
    assert stand_in.silence == ""
