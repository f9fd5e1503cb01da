"""A server that goes away is waited for, then the run stops: no visit is burnt, none paid twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

AUDIENCE = "{agent: llm, users: 12, reviews: 0.3, interview: true}"


def _accounting(focusgroup: Callable[..., Any], run: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(focusgroup("compare", run, "--json").out)["accounting"]
    return rows


def _result(focusgroup: Callable[..., Any], run: Path, to: Path) -> dict[str, bytes]:
    assert focusgroup("export", run, "--format", "parquet", "--out", to).code == 0
    files = {p.name.split(".", 1)[1]: p.read_bytes() for p in sorted(to.iterdir())}
    return files | {"compare": focusgroup("compare", run, "--json").out.encode()}


def test_a_server_that_is_down_at_the_start_is_the_users_to_mend(
    focusgroup: Callable[..., Any], speaking: Callable[[str], Path], world: Path, server: Any
) -> None:
    server.stop()
    llm = ("--llm", f"openai:demo-model@{server.url}")
    ran = focusgroup("run", speaking(AUDIENCE), *llm, "--patience", 1, "--out", world / "run")
    assert ran.code == 2 and "no language model answers" in ran.err, ran
    assert not (world / "run").exists()


def test_a_server_that_stays_away_stops_the_run_and_costs_no_visit(
    focusgroup: Callable[..., Any],
    speaking: Callable[[str], Path],
    world: Path,
    start_server: Callable[..., Any],
) -> None:
    path, stopped, whole = speaking(AUDIENCE), world / "stopped", world / "whole"
    with start_server() as server:
        port, llm = str(server.port), ("--llm", f"openai:demo-model@{server.url}")
        more = ("--concurrency", 4, "--quiet")
        server.order("well", 30)
        server.order("leave:1000")
        ran = focusgroup("run", path, *llm, *more, "--patience", 1.5, "--out", stopped)
        assert ran.code == 3, ran
        assert "has not answered" in ran.err and f"focusgroup resume {stopped}" in ran.err
        rows = _accounting(focusgroup, stopped)
        assert sum(row["failed_sessions"] for row in rows) == 0
        assert 0 < sum(row["sessions"] for row in rows) < 36
        still_away = focusgroup("resume", stopped, "--patience", 0.5, "--quiet")
        assert still_away.code in (2, 3), still_away
        assert sum(row["failed_sessions"] for row in _accounting(focusgroup, stopped)) == 0
    with start_server("--port", port) as server:
        resumed = focusgroup("resume", stopped, "--quiet")
        assert resumed.code == 0, resumed
        again = len(server.seen())
        undisturbed = focusgroup("run", path, *llm, *more, "--out", whole)
        assert undisturbed.code == 0, undisturbed
        assert again < len(server.seen()) - again, "what was journaled was not asked again"
    assert _result(focusgroup, stopped, world / "a") == _result(focusgroup, whole, world / "b")
    assert sum(row["sessions"] for row in _accounting(focusgroup, stopped)) == 36


def test_a_server_that_comes_back_is_waited_for(
    focusgroup: Callable[..., Any], speaking: Callable[[str], Path], world: Path, server: Any
) -> None:
    server.order("well", 20)
    server.order("leave:5")
    llm = ("--llm", f"openai:demo-model@{server.url}")
    ran = focusgroup("run", speaking(AUDIENCE), *llm, "--patience", 60, "--out", world / "run")
    assert ran.code == 0, ran
    assert sum(row["failed_sessions"] for row in _accounting(focusgroup, world / "run")) == 0
