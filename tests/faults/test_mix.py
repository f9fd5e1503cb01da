"""A third of all calls go wrong: the run ends, everything adds up, every cause has its count."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from focusgroup.simulator import Failure, FailureCause, SessionEnd
from focusgroup.simulator.types import Response

# kind of the server -> the cause that it must be counted as, "" where an answer comes all the same
EXPECTED = {
    "empty": FailureCause.EMPTY,
    "null": FailureCause.EMPTY,
    "tool_call": FailureCause.TOOL_CALL,
    "cut": FailureCause.TRUNCATED,
    "thinking": FailureCause.TRUNCATED,
    "prose": FailureCause.NOT_JSON,
    "preface": FailureCause.NOT_JSON,
    "fenced": FailureCause.NOT_JSON,
    "nan": FailureCause.NOT_JSON,
    "wrong": FailureCause.OUT_OF_SCHEMA,
    "wrong_item": FailureCause.WRONG_ITEM,
    "duplicate_item": FailureCause.DUPLICATE_ITEM,
    "status:500": FailureCause.TRANSPORT_STATUS,
    "status:400": FailureCause.TRANSPORT_STATUS,
    "half": FailureCause.TRANSPORT_DROPPED,
    "close": FailureCause.TRANSPORT_DROPPED,
    "reset": FailureCause.TRANSPORT_DROPPED,
    "late:3": FailureCause.TRANSPORT_TIMEOUT,
    "html": FailureCause.TRANSPORT_MALFORMED,
    "no_choices": FailureCause.TRANSPORT_MALFORMED,
    "huge": FailureCause.TRANSPORT_TOO_LARGE,
    "busy": "",
    "busy:1": "",
    "think": "",
    "usage:negative": "",
    "usage:absurd": "",
    "usage:strings": "",
    "usage:text": "",
    "usage:missing": "",
}


def _spoil(server: Any, kind: str) -> None:
    """The first page, both attempts; where no answer comes, the server answers when it is asked
    whether it is still there: it is not away, the call alone is lost."""
    server.order("well", 2)  # the probe of what the server can do
    cause = EXPECTED[kind]
    for _ in range(2):
        server.order(kind)
        if isinstance(cause, FailureCause) and cause.unanswered:
            server.order("well")


@pytest.mark.parametrize("kind", [kind for kind in EXPECTED if not kind.startswith("busy")])
def test_every_fault_has_a_name(
    simulate: Callable[..., Any],
    speaking: Callable[[str], Path],
    world: Path,
    server: Any,
    kind: str,
) -> None:
    path = speaking("{agent: llm, users: 1}")
    path.write_text(path.read_text().replace("[random, popularity, item_knn]", "[random]"))
    _spoil(server, kind)
    run = simulate(path, server, world / "run", retries=0)
    (row,) = run.results.accounting
    cause = EXPECTED[kind]
    assert dict(row.causes) == ({cause.value: 1} if isinstance(cause, FailureCause) else {})
    for turn in run.sessions[0].turns:
        if isinstance(turn.outcome, Failure):
            assert turn.outcome.detail, "a cause is told in words as well"


def test_a_third_of_faults_is_survived_and_told(
    simulate: Callable[..., Any],
    speaking: Callable[[str], Path],
    focusgroup: Callable[..., Any],
    world: Path,
    start_server: Callable[..., Any],
) -> None:
    path = speaking("{agent: llm, users: 170, personas: sampled}")
    out = world / "run"
    with start_server() as server:
        server.order("well", 2)
        server.mix(0.3, tuple(EXPECTED))
        run = simulate(path, server, out, retries=1, timeout=0.3)
        done = server.done()
    assert len(run.sessions) == 170 * 3 == 510
    assert len(done) >= 25, "nearly every kind of fault happened"
    causes: Counter[str] = Counter()
    for row in run.results.accounting:
        assert row.sessions == 170 == row.left + row.limit + row.failed_sessions
        assert row.pages == row.answered + row.failed_pages
        assert sum(row.causes.values()) == row.failed_pages == row.failed_sessions
        causes.update(row.causes)
    _nothing_is_made_up(run)
    silent = {cause for cause in causes if cause.startswith("transport_")}
    assert len(silent) >= 4 and len(set(causes) - silent) >= 3, causes
    _told(focusgroup("compare", out).out, (out / "report.html").read_text(), causes)
    rows = json.loads(focusgroup("compare", out, "--json").out)["accounting"]
    assert sum((Counter(row["causes"]) for row in rows), Counter()) == causes


def _nothing_is_made_up(run: Any) -> None:
    """Who failed has no actions, and who answered was answered for by a completion."""
    for session in run.sessions:
        failed = [turn for turn in session.turns if isinstance(turn.outcome, Failure)]
        assert len(failed) == (session.end is SessionEnd.FAILED)
        for turn in session.turns:
            assert turn.outcome.completion_keys
            if isinstance(turn.outcome, Response):
                assert turn.outcome.opinion is not None and turn.outcome.actions


def _told(compared: str, report: str, causes: Counter[str]) -> None:
    table = compared[compared.index("why pages failed") :]
    told: Counter[str] = Counter()
    for cause, count in re.findall(r"\b([a-z_]+) (\d+)(?=,|  |$)", table, re.MULTILINE):
        if cause in causes:
            told[cause] += int(count)
    assert told == causes
    assert all(cause.replace("_", " ") in report for cause in causes)


def test_the_end_of_a_run_says_how_often_and_what_for_example(
    focusgroup: Callable[..., Any], speaking: Callable[[str], Path], world: Path, server: Any
) -> None:
    server.order("well", 2)
    server.mix(0.5, ("duplicate_item", "status:400"))
    llm = ("--llm", f"openai:demo-model@{server.url}", "--quiet")
    ran = focusgroup("run", speaking("{agent: llm, users: 8}"), *llm, "--out", world / "run")
    told = re.findall(r"^failed: everyone, (\w+): (\w+) (\d+), e\.g\. (.+)$", ran.out, re.MULTILINE)
    rows = json.loads(focusgroup("compare", world / "run", "--json").out)["accounting"]
    counted = {(row["arm"], cause): n for row in rows for cause, n in row["causes"].items()}
    assert {(arm, cause): int(n) for arm, cause, n, _ in told} == counted
    assert any("status 400" in detail for *_, detail in told)
