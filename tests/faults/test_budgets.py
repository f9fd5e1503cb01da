"""Limits of tokens, money and time: never exceeded, resumable, and counted over the whole run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from focusgroup.agents.llm import Journal, Usage

AUDIENCE = "{agent: llm, users: 20, interview: true}"


def _spent(run: Path) -> Usage:
    with Journal(run / "journal.sqlite") as journal:
        return journal.totals().usage


def _sessions(focusgroup: Callable[..., Any], run: Path) -> int:
    rows = json.loads(focusgroup("compare", run, "--json").out)["accounting"]
    assert sum(row["failed_sessions"] for row in rows) == 0
    return sum(row["sessions"] for row in rows)


def test_a_limit_of_tokens_is_one_of_the_whole_run(
    focusgroup: Callable[..., Any], speaking: Callable[[str], Path], world: Path, server: Any
) -> None:
    run = world / "run"
    llm = ("--llm", f"openai:demo-model@{server.url}", "--concurrency", 64, "--quiet")
    ran = focusgroup("run", speaking(AUDIENCE), *llm, "--max-tokens", 6000, "--out", run)
    assert ran.code == 3 and "of 6000 tokens" in ran.err, ran
    first = _spent(run)
    assert 2000 < first.prompt + first.completion <= 6000
    asked = len(server.seen())
    refused = focusgroup("resume", run, "--max-tokens", 6000, "--quiet")
    assert refused.code == 3 and "of 6000 tokens" in refused.err, refused
    assert len(server.seen()) - asked <= 20, "what was spent before counts: little is left to ask"
    assert (s := _spent(run)).prompt + s.completion <= 6000
    more = focusgroup("resume", run, "--max-tokens", 9000, "--quiet")
    assert more.code == 3, more
    second = _spent(run)
    assert 6000 < second.prompt + second.completion <= 9000
    assert focusgroup("resume", run, "--quiet").code == 0
    assert _sessions(focusgroup, run) == 60


def test_a_limit_of_money_needs_prices_and_keeps_to_them(
    focusgroup: Callable[..., Any], speaking: Callable[[str], Path], world: Path, server: Any
) -> None:
    run, path = world / "run", speaking(AUDIENCE)
    llm = ("--llm", f"openai:demo-model@{server.url}", "--quiet")
    unpriced = focusgroup("run", path, *llm, "--max-cost", 0.01, "--out", run)
    assert unpriced.code == 2 and "--price-prompt" in unpriced.err, unpriced
    assert not run.exists()
    prices = ("--price-prompt", 1.0, "--price-completion", 4.0)
    ran = focusgroup("run", path, *llm, *prices, "--max-cost", 0.01, "--out", run)
    assert ran.code == 3 and "of 0.01, and the next call may cost" in ran.err, ran
    spent = _spent(run)
    assert 0.004 < (spent.prompt + 4 * spent.completion) / 1e6 <= 0.01
    kept = focusgroup("resume", run, "--max-cost", 0.0101, "--quiet")
    assert kept.code == 3, "the prices of the run are known when it is resumed"
    assert focusgroup("resume", run, "--quiet").code == 0
    assert _sessions(focusgroup, run) == 60


def test_two_models_of_a_run_share_one_limit(
    focusgroup: Callable[..., Any],
    speaking: Callable[[str], Path],
    world: Path,
    start_server: Callable[..., Any],
) -> None:
    run = world / "run"
    with start_server("--model", "one", "--model", "two") as server:
        path = speaking(
            f"{{agent: llm, users: 3, llm: 'openai:one@{server.url}'}}\n"
            f"  others: {{agent: llm, users: 20, llm: 'openai:two@{server.url}'}}"
        )
        ran = focusgroup("run", path, "--max-tokens", 6000, "--quiet", "--out", run)
        assert ran.code == 3, ran
        models = {body["model"] for body in server.seen()}
    assert models == {"one", "two"}
    spent = _spent(run)
    assert spent.prompt + spent.completion <= 6000


@pytest.mark.parametrize("audience", [AUDIENCE, "{agent: behaviour, users: 20}"])
def test_a_limit_of_time_stops_users_with_and_without_a_model(
    focusgroup: Callable[..., Any],
    speaking: Callable[[str], Path],
    world: Path,
    server: Any,
    audience: str,
) -> None:
    run, path = world / "run", speaking(audience)
    llm = () if "behaviour" in audience else ("--llm", f"openai:demo-model@{server.url}")
    server.order("well", 22)
    server.order("hang", None)
    limit = 0.01 if not llm else 3
    ran = focusgroup("run", path, *llm, "--max-time", limit, "--quiet", "--out", run)
    assert ran.code == 3 and "seconds are over" in ran.err, ran
    assert f"focusgroup resume {run}" in ran.err
    server.behave()
    assert focusgroup("resume", run, "--quiet").code == 0
    assert _sessions(focusgroup, run) == 60


def test_a_server_that_miscounts_does_not_stretch_the_limit(
    focusgroup: Callable[..., Any], speaking: Callable[[str], Path], world: Path, server: Any
) -> None:
    server.order("usage:missing", None)
    llm = ("--llm", f"openai:demo-model@{server.url}", "--quiet")
    run = world / "run"
    ran = focusgroup("run", speaking(AUDIENCE), *llm, "--max-tokens", 20_000, "--out", run)
    assert ran.code == 3, ran
    # Fewer calls than if each were free: every one is paid at the most it can have taken.
    assert len(server.seen()) < 30
