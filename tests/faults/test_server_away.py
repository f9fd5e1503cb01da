"""A server that goes away is waited for, then the run stops: no visit is burnt, none paid twice."""

from __future__ import annotations

import json
import threading
import time
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


def _stored(run: Path) -> dict[str, bytes]:
    """What the run knows, as it lies on the disk: its manifest and its sessions."""
    kept = [run / "manifest.json", *(run / "sessions").rglob("*")]
    return {str(path): path.read_bytes() for path in kept if path.is_file()}


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
        ran = focusgroup("run", path, *llm, *more, "--patience", 0.8, "--out", stopped)
        assert ran.code == 3, ran
        assert "has not answered" in ran.err and f"focusgroup resume {stopped}" in ran.err
        rows = _accounting(focusgroup, stopped)
        assert sum(row["failed_sessions"] for row in rows) == 0
        assert 0 < sum(row["sessions"] for row in rows) < 36
        stored = _stored(stopped)
        still_away = focusgroup("resume", stopped, "--patience", 0.5, "--quiet")
        assert still_away.code == 2, still_away
        assert f"no language model answers at {server.url}" in still_away.err
        assert "start the server" in still_away.err
        assert _stored(stopped) == stored, "nothing is lost, and nobody failed"
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
    server.order("leave:2")
    llm = ("--llm", f"openai:demo-model@{server.url}")
    ran = focusgroup("run", speaking(AUDIENCE), *llm, "--patience", 60, "--out", world / "run")
    assert ran.code == 0, ran
    assert sum(row["failed_sessions"] for row in _accounting(focusgroup, world / "run")) == 0


def test_a_server_that_is_in_trouble_for_a_while_fails_nobody(
    focusgroup: Callable[..., Any],
    speaking: Callable[[str], Path],
    world: Path,
    start_server: Callable[..., Any],
) -> None:
    """It refuses all calls at once, and wants each to come again after 10 ms."""
    path, troubled, whole = speaking(AUDIENCE), world / "troubled", world / "whole"
    with start_server("--delay", "0.005") as server:
        llm = ("--llm", f"openai:demo-model@{server.url}", "--quiet")
        server.order("well", 40)
        server.order("status:503", None)
        recovery = threading.Thread(target=_behave_after, args=(server, 40, 3.0))
        recovery.start()
        ran = focusgroup("run", path, *llm, "--out", troubled)
        recovery.join()
        assert server.done()["status:503"] >= 8, "many calls met it"
    with start_server() as server:
        llm = ("--llm", f"openai:demo-model@{server.url}", "--quiet")
        assert ran.code == 0, ran
        assert focusgroup("run", path, *llm, "--out", whole).code == 0
    assert sum(row["failed_sessions"] for row in _accounting(focusgroup, troubled)) == 0
    assert _result(focusgroup, troubled, world / "a") == _result(focusgroup, whole, world / "b")


def _behave_after(server: Any, calls: int, seconds: float) -> None:
    """The server is well again so long after it has been asked so often."""
    while len(server.seen()) <= calls:
        time.sleep(0.02)
    time.sleep(seconds)
    server.behave()


def test_a_server_that_fails_a_third_of_all_calls_does_not_stop_the_run(
    focusgroup: Callable[..., Any], speaking: Callable[[str], Path], world: Path, server: Any
) -> None:
    server.order("well", 2)
    server.mix(0.3, ("status:500",))
    llm = ("--llm", f"openai:demo-model@{server.url}", "--quiet", "--patience", 2)
    ran = focusgroup("run", speaking("{agent: llm, users: 12}"), *llm, "--out", world / "run")
    assert ran.code == 0, ran
    assert server.done()["status:500"] > 20
    rows = _accounting(focusgroup, world / "run")
    assert sum(row["sessions"] for row in rows) == 36
    assert all(set(row["causes"]) <= {"transport_status"} for row in rows)
    assert sum(row["failed_sessions"] for row in rows) < 18


def test_the_closing_words_name_the_server_that_was_away(
    focusgroup: Callable[..., Any], speaking: Callable[[str], Path], world: Path, server: Any
) -> None:
    path, away = speaking("{agent: llm, users: 6}"), "http://127.0.0.1:9/v1"
    told = {}
    for name, urls in {"all": server.url, "some": f"{away},{server.url}"}.items():
        llm = ("--llm", f"openai:demo-model@{urls}", "--quiet", "--out", world / name)
        ran = focusgroup("run", path, *llm)
        assert ran.code == 0, ran
        told[name] = [line for line in ran.err.splitlines() if "did not answer" in line]
    resumed = focusgroup("resume", world / "some", "--quiet")
    assert (resumed.code, "did not answer" in resumed.err) == (0, False), "nobody was asked"
    assert told["all"] == []
    assert told["some"] == [
        f"did not answer when last asked: {away}; what was for it went to the other servers"
    ]
    assert _result(focusgroup, world / "some", world / "a") == _result(
        focusgroup, world / "all", world / "b"
    )
