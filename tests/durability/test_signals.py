"""Ctrl-C and SIGTERM end a run that can be gone on with, and say how."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

LLM = ("--llm", "openai:scripted@http://127.0.0.1:9/v1", "--quiet")


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_run_ended_from_outside_is_stored_and_goes_on(
    forks: Any, world: Path, stored: Any, number: signal.Signals, code: int, word: str
) -> None:
    run, said, asked = (world / f"{what}-{word}" for what in ("run", "said", "asked"))
    start = ("run", world / "scenario.yaml", *LLM, "--out", run)
    ran = forks.run(start, said=said, asked=asked, kill=("ask", 70, "after"), signal=number)
    assert ran.code == code, ran
    assert f"go on with: focusgroup resume {run}" in ran.err
    assert ran.err.splitlines()[-1] == word
    assert "Traceback" not in ran.err
    stored.check_whole(run)
    stored.check_tidy(run)
    ended = stored.sessions_of(run)
    assert ended, "visits that had ended are stored"
    first = set(asked.read_text().split())
    kept = stored.journaled(run / "journal.sqlite")
    assert len(first - kept) < len(first)
    asked.unlink()
    resumed = forks.run(("resume", run, "--quiet"), said=said, asked=asked)
    assert resumed.code == 0, resumed.err
    assert not kept.intersection(asked.read_text().split())
    sessions = stored.sessions_of(run)
    assert len(sessions) == (8 + 12) * 3 * 2
    assert set(map(repr, ended)) <= set(map(repr, sessions))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_before_anything_was_simulated_the_same_command_goes_on(
    forks: Any, world: Path, stored: Any, number: signal.Signals, code: int
) -> None:
    run, said, asked = (world / f"{what}-early-{code}" for what in ("run", "said", "asked"))
    start = ("run", world / "scenario.yaml", *LLM, "--out", run)
    ran = forks.run(start, said=said, asked=asked, kill=("commit", 1, "before"), signal=number)
    assert ran.code == code, ran
    assert "Traceback" not in ran.err
    assert "go on with: focusgroup resume" not in ran.err
    assert not (run / "manifest.json").exists()
    again = forks.run(start, said=said, asked=asked)
    assert again.code == 0, again.err
    assert len(stored.sessions_of(run)) == (8 + 12) * 3 * 2
