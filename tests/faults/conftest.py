"""Runs against a server that misbehaves, through the door the command line uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from focusgroup.agents.llm import LLMOptions
from focusgroup.scenarios.batch import start_run
from focusgroup.scenarios.finished import FinishedRun
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.overrides import override
from focusgroup.scenarios.rundir import RunDirectory
from focusgroup.scenarios.scenario import read_scenario

Simulate = Callable[..., FinishedRun]


@pytest.fixture
def server(start_server: Callable[..., Any]) -> Iterator[Any]:
    with start_server() as running:
        yield running


@pytest.fixture
def speaking(world: Path) -> Callable[[str], Path]:
    """Writes the scenario with this audience in it."""

    def write(audience: str) -> Path:
        path = world / "scenario.yaml"
        path.write_text(path.read_text().replace("{agent: behaviour, users: 20}", audience))
        return path

    return write


@pytest.fixture
def simulate() -> Simulate:
    """Starts a run; a server gets 0.7 s for each answer, unless `timeout` says otherwise."""

    def start(
        scenario: Path, server: Any, out: Path, *, timeout: float = 0.7, **options: Any
    ) -> FinishedRun:
        changed = override(read_scenario(scenario), llm=f"openai:demo-model@{server.url}")
        llm = LLMOptions(timeout=timeout, **options)
        directory = RunDirectory.fresh(out)
        return start_run(changed, directory, "faults", Options(llm=llm), lambda: "now")

    return start
