"""Runs on disk: repeated to the byte, killed and resumed, failing without losing anything."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Run = Callable[..., Any]

SPEAKING = "{agent: llm, users: 8, style: answer, reviews: 0.3, interview: true}"


@pytest.fixture
def server(start_server: Callable[..., Any]) -> Iterator[Any]:
    with start_server() as running:
        yield running


def _speaking(world: Path, audience: str = SPEAKING) -> Path:
    path = world / "scenario.yaml"
    path.write_text(path.read_text().replace("{agent: behaviour, users: 20}", audience))
    return path


def _llm(server: Any) -> tuple[str, str]:
    return "--llm", f"openai:demo-model@{server.url}"


def _bytes(focusgroup: Run, run: Path, to: Path) -> dict[str, bytes]:
    """Everything that must be the same: the export and the comparison."""
    assert focusgroup("export", run, "--format", "parquet", "--out", to).code == 0
    compared = focusgroup("compare", run, "--json")
    files = {p.name.removeprefix(run.name): p.read_bytes() for p in sorted(to.iterdir())}
    return {"compare": compared.out.encode()} | {
        name.split(".", 1)[-1]: data for name, data in files.items()
    }


def test_the_same_journal_gives_the_same_bytes_without_a_call(
    focusgroup: Run, world: Path, server: Any
) -> None:
    path, journal = _speaking(world), world / "shared.sqlite"
    first = focusgroup("run", path, *_llm(server), "--journal", journal, "--out", world / "a")
    assert first.code == 0, first.err
    llm = _llm(server)
    asked = len(server.seen())
    assert asked > 50
    server.stop()
    second = focusgroup(
        "run", path, *llm, "--journal", journal, "--journal-mode", "replay", "--out", world / "b"
    )
    assert second.code == 0, second.err
    assert "Language model: 0 calls" in second.out
    assert _bytes(focusgroup, world / "a", world / "xa") == _bytes(
        focusgroup, world / "b", world / "xb"
    )


@pytest.mark.parametrize("audience", [SPEAKING, "{agent: behaviour, users: 20}"])
def test_concurrency_changes_nothing(
    focusgroup: Run, world: Path, server: Any, audience: str
) -> None:
    path = _speaking(world, audience)
    llm = _llm(server) if audience is SPEAKING else ()
    results = []
    for concurrency in (1, 32):
        out = world / f"c{concurrency}"
        ran = focusgroup("run", path, *llm, "--concurrency", concurrency, "--out", out)
        assert ran.code == 0, ran.err
        results.append(_bytes(focusgroup, out, world / f"x{concurrency}"))
    assert results[0] == results[1]


def _spawn(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "focusgroup.scenarios.cli", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    for _ in range(3000):
        if condition():
            return
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    raise AssertionError("waited 30 s")


@pytest.mark.parametrize("parts", [0, 1])
def test_a_killed_run_resumes_to_the_same_result(
    focusgroup: Run, world: Path, start_server: Callable[..., Any], parts: int
) -> None:
    path = _speaking(world)
    with start_server("--delay", "0.02") as server:
        journal = world / "shared.sqlite"
        whole = world / "whole"
        arguments = ("run", path, *_llm(server), "--concurrency", 4, "--out")
        killed = world / "killed"
        process = _spawn(*arguments, killed)
        seen = lambda: len(list((killed / "sessions").glob("part-*.parquet"))) >= parts  # noqa: E731
        _until(lambda: seen() and len(server.seen()) > 20, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = len(server.seen())
        resumed = focusgroup("resume", killed, "--quiet")
        assert resumed.code == 0, resumed.err
        # the uninterrupted run answers from the same journal
        os.link(killed / "journal.sqlite", journal)
        ran = focusgroup(*arguments, whole, "--journal", journal)
        assert ran.code == 0 and "Language model: 0 calls" in ran.out, ran
        bodies = [json.dumps(body, sort_keys=True) for body in server.seen()[before:]]
    assert len(bodies) == len(set(bodies)), "something journaled was asked again"
    assert _bytes(focusgroup, killed, world / "xk") == _bytes(focusgroup, whole, world / "xw")
    accounting = json.loads(focusgroup("compare", killed, "--json").out)["accounting"]
    assert [row["sessions"] for row in accounting] == [8, 8, 8]


def test_a_killed_feedback_loop_resumes_to_the_same_result(focusgroup: Run, world: Path) -> None:
    path = world / "scenario.yaml"
    more = ("--set", "rounds=4", "--set", "retrain=fit", "--users", 30)
    assert focusgroup("run", path, *more, "--out", world / "whole").code == 0
    killed = world / "killed"
    process = _spawn("run", path, *more, "--out", killed)
    _until(lambda: len(list((killed / "sessions").glob("part-*.parquet"))) >= 2, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert focusgroup("resume", killed, "--quiet").code == 0
    assert _bytes(focusgroup, killed, world / "xk") == _bytes(
        focusgroup, world / "whole", world / "xw"
    )


def test_failures_are_counted_shown_and_retried(focusgroup: Run, world: Path, server: Any) -> None:
    path = _speaking(world, "{agent: llm, users: 8}")
    server.order("well", 2)  # the probe of what the server can do
    server.mix(0.6, ("prose", "cut", "empty"))
    out = world / "run"
    ran = focusgroup("run", path, *_llm(server), "--out", out)
    assert ran.code == 0, ran.err
    rows = json.loads(focusgroup("compare", out, "--json").out)["accounting"]
    causes: dict[str, int] = {}
    for row in rows:
        assert row["sessions"] == row["left"] + row["limit"] + row["failed_sessions"]
        assert row["pages"] == row["answered"] + row["failed_pages"]
        assert sum(row["causes"].values()) == row["failed_pages"]
        for cause, count in row["causes"].items():
            causes[cause] = causes.get(cause, 0) + count
    assert set(causes) >= {"not_json", "truncated", "empty"} and sum(causes.values()) >= 4
    assert "not json" in (out / "report.html").read_text()
    server.behave()
    retried = focusgroup("resume", out, "--retry-failed", "--quiet")
    assert retried.code == 0, retried.err
    rows = json.loads(focusgroup("compare", out, "--json").out)["accounting"]
    assert all(row["failed_sessions"] == 0 and row["sessions"] == 8 for row in rows)


@pytest.mark.parametrize("decision", ["own_word", "pooled"])
def test_style_score_end_to_end(focusgroup: Run, world: Path, server: Any, decision: str) -> None:
    audience = f"{{agent: llm, users: 4, style: score, decision: {decision}, calibration_users: 6}}"
    path = _speaking(world, audience)
    ran = focusgroup("run", path, *_llm(server), "--out", world / "run")
    assert ran.code == 0, ran.err
    state = "UNCALIBRATED" if decision == "own_word" else "; calibrated"
    assert state in ran.out
    assert ("the opinion's weight is" in ran.out) == (decision == "pooled")


def test_export_recbole_loads_with_its_types_and_equals_the_run(
    focusgroup: Run, world: Path, server: Any
) -> None:
    out, to = world / "run", world / "export"
    focusgroup("run", _speaking(world), *_llm(server), "--out", out)
    ran = focusgroup("export", out, "--format", "recbole", "--out", to)
    assert ran.code == 0, ran.err
    table = pd.read_csv(next(to.glob("*.inter")), sep="\t", dtype=str, keep_default_na=False)
    kinds = dict(column.split(":") for column in table.columns)
    assert set(kinds.values()) <= {"token", "float", "token_seq", "float_seq"}
    table.columns = pd.Index([column.split(":")[0] for column in table.columns])
    for column, kind in kinds.items():
        if kind == "float":
            pd.to_numeric(table.loc[table[column] != "", column])
    events = pd.read_parquet(next(_parquet(focusgroup, out, world / "p").glob("*.events.parquet")))
    assert len(table) == len(events) > 0
    assert set(table["item_id"]) == set(events["item_id"])
    accounts = json.loads(focusgroup("compare", out, "--json").out)["accounting"]
    users = pd.read_csv(next(to.glob("*.user")), sep="\t", dtype=str)
    assert len(users) >= table["user_id"].nunique() and sum(a["sessions"] for a in accounts) == 24


def _parquet(focusgroup: Run, run: Path, to: Path) -> Path:
    assert focusgroup("export", run, "--format", "parquet", "--out", to).code == 0
    return to


def test_keys_are_nowhere(
    focusgroup: Run, world: Path, start_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-planted-key")
    out = world / "run"
    with start_server("--key", "sk-planted-key") as server:
        ran = focusgroup(
            "run", _speaking(world), *_llm(server), "--key-env", "MY_KEY", "--out", out
        )
    assert ran.code == 0, ran.err
    files = [p for p in out.rglob("*") if p.is_file()]
    assert len(files) >= 4
    assert not any(b"sk-planted-key" in p.read_bytes() for p in files)
    assert "sk-planted-key" not in ran.out + ran.err


def test_dry_run_simulates_nothing_and_writes_nothing(
    focusgroup: Run, world: Path, server: Any
) -> None:
    ran = focusgroup("run", _speaking(world), *_llm(server), "--dry-run", "--out", world / "run")
    assert ran.code == 0 and "24 visits, nothing was run" in ran.out, ran
    # 24 visits of 3 pages, an interview each and at most 3 reviews a page; everything asked twice
    assert f"at most   {2 * (72 + 24 + 72 * 3)} calls" in ran.out and "prompt +" in ran.out
    assert re.search(r"about \d+(\.\d min| s) if 64 calls at once take \d+\.\d\d s each", ran.out)
    assert len(server.seen()) <= 2 + 2 * 16 and not (world / "run").exists()
    asked = len(server.seen())
    ran = focusgroup("run", _speaking(world), *_llm(server), "--dry-run", "--probe", 0)
    assert ran.code == 0 and "nobody was asked" in ran.out and len(server.seen()) == asked
    gone = ("--llm", "openai:demo-model@http://127.0.0.1:9/v1")
    ran = focusgroup("run", world / "scenario.yaml", *gone, "--dry-run")
    assert ran.code == 0 and "time unknown" in ran.out, ran
    assert "users leave as the scenario assumes" in ran.out, ran


def test_the_manifest_holds_the_disjoint_split(focusgroup: Run, world: Path) -> None:
    focusgroup("run", world / "scenario.yaml", "--out", world / "run")
    split = json.loads((world / "run" / "manifest.json").read_text())["split"]
    groups = [set(split[name]) for name in ("training", "calibration", "audience")]
    assert all(groups) and len(set.union(*groups)) == sum(map(len, groups)) == 90


def test_budget_stops_the_run_resumable(focusgroup: Run, world: Path, server: Any) -> None:
    out = world / "run"
    path = _speaking(world, "{agent: llm, users: 8}")
    ran = focusgroup("run", path, *_llm(server), "--max-tokens", 4_000, "--out", out)
    assert ran.code == 3 and "focusgroup resume" in ran.err, ran
    looked = focusgroup("compare", out)
    assert re.search(r"unfinished: \d+ of 24 visits; .* focusgroup resume", looked.err), looked
    assert focusgroup("resume", out, "--quiet").code == 0
    looked = focusgroup("compare", out)
    assert "UNCALIBRATED" in looked.out and "unfinished" not in looked.err, looked


def test_resume_refuses_other_data_and_another_model(
    focusgroup: Run, world: Path, start_server: Callable[..., Any]
) -> None:
    out = world / "run"
    path = _speaking(world, "{agent: llm, users: 4}")
    with start_server("--model", "one", "--model", "two") as server:
        llm = ("--llm", f"openai:one@{server.url}", "--quiet")
        focusgroup("run", path, *llm, "--max-tokens", 5_000, "--out", out)
        manifest = out / "manifest.json"
        good = manifest.read_text()
        manifest.write_text(good.replace("openai:one@", "openai:two@"))
        ran = focusgroup("resume", out, "--quiet")
        assert ran.code == 2 and "was answered by 'one'" in ran.err, ran
        manifest.write_text(good)
        log = world / "log.csv"
        log.write_text(log.read_text() + "u000,f00,1,1600000099\n")
        ran = focusgroup("resume", out, "--quiet")
        assert ran.code == 2 and "the data has changed" in ran.err, ran


def test_a_run_killed_before_it_began_can_be_started_again(focusgroup: Run, world: Path) -> None:
    out = world / "run"
    out.mkdir()
    (out / "lock").touch()
    assert focusgroup("run", world / "scenario.yaml", "--out", out, "--quiet").code == 0
