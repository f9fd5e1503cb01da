"""One process a run directory: a second is refused, by a lock that dies with its owner."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def owner(sign: Callable[[], bool], *command: object) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, once `sign` is there; killed with SIGKILL at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "focusgroup.scenarios.cli", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(6000):
            if sign():
                break
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        yield process
        assert process.poll() is None, "it ended before it was killed"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_a_second_process_is_refused_until_the_first_is_dead(
    forks: Any, world: Path, start_server: Callable[..., Any], stored: Any
) -> None:
    run, said = world / "owned", world / "said-owned"
    with start_server("--delay", "0.05") as server:
        llm = ("--llm", f"openai:demo-model@{server.url}", "--concurrency", 2, "--quiet")
        start = ("run", world / "scenario.yaml", *llm, "--out", run)
        with owner(lambda: any(run.rglob("part-*.parquet")), *start):
            refused = forks.run(("resume", run, "--quiet"), said=said)
            assert refused.code == 2
            assert "another process is working on this run" in refused.err
            assert forks.run(start, said=said).code == 2
            # looking at it is allowed
            assert forks.run(("journal", "stats", run), said=said).code == 0
            assert forks.run(("compare", run), said=said).code == 0
        assert (run / "lock").exists()
        stored.check_whole(run)
        kept = stored.journaled(run / "journal.sqlite")
        before = len(server.seen())
        resumed = forks.run(("resume", run, "--quiet"), said=said)
        assert resumed.code == 0, resumed.err
        after = [json.dumps(body, sort_keys=True) for body in server.seen()[before:]]
        answered = stored.journaled(run / "journal.sqlite")
    assert len(after) == len(set(after)), "something was asked twice"
    new = len(answered - kept)
    assert 0 < new <= len(after) <= new + 6, "beside a few probes of the server only what is new"
    assert len(stored.sessions_of(run)) == (8 + 12) * 3 * 2
    stored.check_tidy(run)


def test_a_sweep_has_one_owner_too(forks: Any, world: Path, stored: Any) -> None:
    path, said, sweep = world / "crowd.yaml", world / "said-sweep", world / "sweep"
    text = (world / "scenario.yaml").read_text()
    speakers = next(line for line in text.splitlines(keepends=True) if "speakers:" in line)
    path.write_text(text.replace(speakers, ""))
    start = ("run", path, "--sweep", "assumed", "--quiet", "--out", sweep)
    begun = lambda: len(list((sweep / "sweep").glob("*/manifest.json"))) > 1  # noqa: E731
    with owner(begun, *start):
        for command in (("resume", sweep, "--quiet"), start):
            refused = forks.run(command, said=said)
            assert refused.code == 2
            assert "another process is working on this run" in refused.err
    stored.check_whole(sweep)
    resumed = forks.run(("resume", sweep, "--quiet"), said=said)
    assert resumed.code == 0, resumed.err
    told = json.loads((sweep / "sweep.json").read_text())
    assert told["finished"]
    runs = list((sweep / "sweep").iterdir())
    assert {row["setting"] for row in told["rows"]} == {run.name for run in runs}
    assert all(len(stored.sessions_of(run)) == 12 * 3 * 2 for run in runs)
    stored.check_tidy(sweep)


def test_nothing_is_left_where_the_server_is_out_of_reach(forks: Any, world: Path) -> None:
    run, shared, said = world / "unborn", world / "unborn.sqlite", world / "said-unborn"
    for more in ((), ("--journal", shared)):
        start = ("run", world / "scenario.yaml", "--out", run, "--quiet", *more)
        ran = forks.run((*start, "--llm", "openai:gone@http://127.0.0.1:9/v1"), said=said)
        assert ran.code == 2, ran
        assert "127.0.0.1:9" in ran.err
        assert not run.exists()
        assert not list(world.glob("unborn*"))
