"""What the command line says of a language model reaches it, whichever command asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from focusgroup.agents.llm import LLMOptions, LLMSpec, opening
from focusgroup.simulator import UserError

Run = Callable[..., Any]

TESTS = """\
data: {name: log.yaml, min_history: 5}
audience: {agent: llm, users: 4}
tests:
  - {name: one, arms: {A: random, B: item_knn}, observed: {difference: 0.1, low: 0.0, high: 0.2}}
"""
ASKING = ("--llm", "openai:m@http://127.0.0.1:9/v1", "--quiet")
COMMANDS = {
    "run": ("run", "scenario.yaml"),
    "duel": ("duel", "scenario.yaml"),
    "backtest": ("backtest", "ab.yaml"),
    "certify": ("certify", "--data", "log.yaml"),
}


@pytest.fixture
def opened(world: Path, monkeypatch: pytest.MonkeyPatch) -> list[LLMOptions]:
    """What is said of each model that is opened; none of them can be."""
    told: list[LLMOptions] = []

    def refuse(spec: LLMSpec, options: LLMOptions) -> None:
        told.append(options)
        raise UserError(f"{spec} is closed today")

    scenario = world / "scenario.yaml"
    scenario.write_text(scenario.read_text().replace("agent: behaviour", "agent: llm"))
    (world / "ab.yaml").write_text(TESTS)
    monkeypatch.chdir(world)
    monkeypatch.setattr(opening, "open_llm", refuse)
    return told


@pytest.mark.parametrize("command", COMMANDS)
def test_patience_and_the_name_of_the_key_are_for_whoever_asks(
    focusgroup: Run, opened: list[LLMOptions], command: str
) -> None:
    ran = focusgroup(*COMMANDS[command], *ASKING, "--patience", 7, "--key-env", "MY_KEY")
    assert (ran.code, "closed today" in ran.err) == (2, True), ran
    assert {(said.patience, said.key_variable) for said in opened} == {(7.0, "MY_KEY")}


@pytest.mark.parametrize("command", ["run", "duel", "certify"])
def test_a_limit_of_cost_needs_a_price(
    focusgroup: Run, opened: list[LLMOptions], command: str
) -> None:
    limited = (*COMMANDS[command], *ASKING, "--max-cost", 1)
    ran = focusgroup(*limited)
    assert (ran.code, "--max-cost: nothing has a price" in ran.err, opened) == (2, True, [])
    ran = focusgroup(*limited, "--price-prompt", 0.5)
    assert "closed today" in ran.err, ran
