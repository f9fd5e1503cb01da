"""Ctrl-C and SIGTERM while the command is still being loaded: one word, no traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from focusgroup.scenarios.commands.ending import Ending, one_way_to_end
from focusgroup.scenarios.entry import end_at_once

START = "from focusgroup.scenarios.entry import main; main()"
# Modules in the order they are loaded: just after the command began, midway, and near its end.
LOADED = ("typer.core", "pandas", "focusgroup.scenarios.commands.runs")


@pytest.mark.parametrize(
    ("loaded", "number", "word"),
    [
        *((module, signal.SIGINT, "interrupted") for module in LOADED),
        (LOADED[0], signal.SIGTERM, "terminated"),
    ],
)
def test_a_command_ended_while_it_loads_says_one_word(
    loaded: str, number: signal.Signals, word: str
) -> None:
    command = [sys.executable, "-X", "importtime", "-c", START, "--version"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.rpartition("|")[2].strip() == loaded:
                break
        process.send_signal(number)
        said = [line for line in process.stderr if not line.startswith("import time:")]
    assert said == [f"{word}\n"]
    assert process.returncode == 128 + number


@pytest.fixture
def as_at_the_start() -> Iterator[None]:
    """Handlers as `focusgroup` sets them before anything is loaded."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, end_at_once) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("as_at_the_start")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_at_work_is_interrupted_and_afterwards_ended_at_once(
    number: signal.Signals,
) -> None:
    ending = Ending()
    with pytest.raises(KeyboardInterrupt), one_way_to_end(ending):
        signal.raise_signal(number)
    assert ending.code == 128 + number
    assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGTERM) is end_at_once


@pytest.mark.usefixtures("as_at_the_start")
def test_a_signal_the_process_was_told_to_ignore_stays_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with one_way_to_end(Ending()):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
