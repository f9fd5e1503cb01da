"""`focusgroup duel`: from a scenario and from a run, repeated to the byte, stopped and gone on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from focusgroup.scenarios.rundir import RunDirectory

Run = Callable[..., Any]


@pytest.fixture
def server(start_server: Callable[..., Any]) -> Iterator[Any]:
    with start_server() as running:
        yield running


def _asking(server: Any, *more: object) -> tuple[object, ...]:
    llm = f"openai:demo-model@{server.url}"
    return "--llm", llm, "--reply", "choice", "--users", 4, "--quiet", *more


def _read(out: Path) -> Any:
    return json.loads((out / "duel.json").read_text())


def test_a_run_is_ranked_on_the_pages_it_showed(focusgroup: Run, world: Path) -> None:
    run = world / "run"
    assert focusgroup("run", world / "scenario.yaml", "--out", run, "--quiet").code == 0
    ran = focusgroup("duel", run, "--quiet")
    assert ran.code == 0, ran.err
    assert "1.  item_knn" in ran.out and "item_knn is ahead of" in ran.out
    assert "behaviour model alone, no language model; calibrated" in ran.out
    assert "Duels: 120 = 0 with the same items" in " ".join(ran.out.split())
    (audience,) = _read(run / "duel")["audiences"]
    assert audience["calibrated"] is True
    assert audience["results"]["account"]["answered"] == len(audience["duels"]) == 120
    sessions = RunDirectory(run).store(writing=False).sessions()
    assert {d["user"] for d in audience["duels"]} == {s.key.user_id for s in sessions}


def test_first_pages_are_those_of_a_run(focusgroup: Run, world: Path) -> None:
    import asyncio

    from focusgroup.scenarios.duel_setting import duel_source, set_duels

    run = world / "run"
    assert focusgroup("run", world / "scenario.yaml", "--out", run, "--quiet").code == 0
    setting = asyncio.run(set_duels(duel_source(str(run), runs=world)))
    (room,) = setting.rooms
    for session in RunDirectory(run).store(writing=False).sessions():
        slate = session.turns[0].slate
        assert slate is not None
        assert room.pages[session.key.user_id][session.key.arm] == slate.item_ids


def test_the_same_command_gives_the_same_bytes(focusgroup: Run, world: Path) -> None:
    files = []
    for out in ("a", "b"):
        ran = focusgroup("duel", world / "scenario.yaml", "--out", world / out, "--json", "--quiet")
        assert ran.code == 0, ran.err
        files.append((world / out / "duel.json").read_bytes())
        assert ran.out.encode() == files[-1]
    assert files[0] == files[1]


def test_a_journal_replays_without_a_call_and_counts_failures(
    focusgroup: Run, world: Path, server: Any
) -> None:
    scenario, out = world / "scenario.yaml", world / "duels"
    arguments = ("duel", scenario, *_asking(server), "--concurrency", 1, "--out")
    assert focusgroup(*arguments, out, "--users", 1).code == 0  # the model has shown what it can
    server.order("prose", None)
    first = focusgroup(*arguments, out)
    assert first.code == 0, first.err
    assert "UNCALIBRATED" in first.out and "style duel (choice)" in first.out
    assert "failed: not_json" in first.out
    (audience,) = _read(out)["audiences"]
    account = audience["results"]["account"]
    assert account["asked"] == account["answered"] + account["failed"] == 24
    assert account["failed"] == account["causes"]["not_json"] == 18
    assert sum(duel["failed"] == "not_json" for duel in audience["duels"]) == 18
    assert audience["calls"] == 6 + 2 * 18 and audience["tokens"]["prompt"] > 0
    written, asked = (out / "duel.json").read_bytes(), len(server.seen())
    server.stop()
    again = focusgroup(*arguments, out)
    assert again.code == 0, again.err
    assert "0 calls now, 42 answers from the journal" in again.out
    assert (out / "duel.json").read_bytes() == written
    assert asked >= 42


def test_a_spent_budget_goes_on_with_the_same_command(
    focusgroup: Run, world: Path, server: Any
) -> None:
    arguments = ("duel", world / "scenario.yaml", *_asking(server), "--out", world / "duels")
    stopped = focusgroup(*arguments, "--max-tokens", 4000)
    assert stopped.code == 3, stopped
    assert "go on with the same command" in stopped.err
    assert not (world / "duels" / "duel.json").exists()
    done = focusgroup(*arguments)
    assert done.code == 0, done.err
    found = [int(n) for n in done.out.split("Language model: ")[1].split() if n.isdigit()]
    calls, hits = found[:2]
    assert calls + hits == 24 and 0 < hits < 24


def test_an_interrupted_duel_pays_nothing_twice(
    focusgroup: Run, world: Path, start_server: Callable[..., Any]
) -> None:
    out = world / "duels"
    with start_server("--delay", "0.05") as server:
        arguments = ("duel", world / "scenario.yaml", *_asking(server), "--concurrency", 2)
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "focusgroup.scenarios.cli",
                *map(str, (*arguments, "--out", out)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3000):
            if len(server.seen()) > 6:
                break
            assert process.poll() is None, "it ended before it could be interrupted"
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert "go on with the same command" in said
        done = focusgroup(*arguments, "--out", out)
        assert done.code == 0, done.err
        hits = int(done.out.split("calls now, ")[1].split()[0])
        assert 2 <= hits < 24
        whole = focusgroup(*arguments, "--out", world / "whole")
        assert whole.code == 0, whole.err
    assert (out / "duel.json").read_bytes() == (world / "whole" / "duel.json").read_bytes()


def test_dry_run_asks_nobody(focusgroup: Run, world: Path, server: Any) -> None:
    ran = focusgroup("duel", world / "scenario.yaml", *_asking(server), "--dry-run")
    assert ran.code == 0, ran.err
    assert "24 duels, 24 to ask; 24 calls" in ran.out and "nobody was asked" in ran.out
    assert server.seen() == []
    silent = focusgroup("duel", world / "scenario.yaml", "--dry-run", "--pairs", "baseline")
    assert "80 duels, 80 to ask; no language model, no cost" in silent.out


def test_where_every_duel_fails_the_exit_code_is_one(
    focusgroup: Run, world: Path, server: Any
) -> None:
    arguments = ("duel", world / "scenario.yaml", *_asking(server), "--out", world / "duels")
    assert focusgroup(*arguments).code == 0
    server.order("prose", None)
    ran = focusgroup(*arguments, "--seed", 9)
    assert ran.code == 1
    assert "every duel failed: everyone" in ran.err


def _edit(world: Path, old: str, new: str) -> Path:
    path = world / "scenario.yaml"
    path.write_text(path.read_text().replace(old, new))
    return path


def _fails(ran: Any, *words: str) -> None:
    assert ran.code == 2, ran
    assert "Traceback" not in ran.err
    for word in words:
        assert word in " ".join(ran.err.split()), ran.err


def test_wrong_input_says_what_to_do(focusgroup: Run, world: Path, server: Any) -> None:
    scenario = world / "scenario.yaml"
    _fails(focusgroup("duel", "movis-quickstart"), "Did you mean 'movies-quickstart'?")
    _fails(focusgroup("duel", world), "no run here")
    _fails(focusgroup("duel", scenario, "--out", world), "not an empty folder")
    run = world / "run"
    assert focusgroup("run", scenario, "--users", 3, "--out", run, "--quiet").code == 0
    _fails(focusgroup("duel", run, "--seed", 4), "is a run and has its seed")
    _fails(focusgroup("duel", run, "--users", 9), "--users 9: an audience of", "has 3")
    _fails(focusgroup("duel", scenario, "--out", run), "holds a run", "--out")
    unknown = f"openai:demo-modle@{server.url}"
    out = world / "never"
    _fails(focusgroup("duel", scenario, "--llm", unknown, "--out", out), "'demo-modle'")
    assert not out.exists()
    replay = ("--journal-mode", "replay")
    _fails(focusgroup("duel", scenario, *_asking(server), *replay, "--out", out), "no such file")
    assert not out.exists()


def test_audiences_that_cannot_compare_are_named(focusgroup: Run, world: Path) -> None:
    path = _edit(world, "primary:", "  dice: {agent: random, users: 5}\nprimary:")
    ran = focusgroup("duel", path, "--out", world / "duels", "--quiet")
    assert ran.code == 0, ran.err
    assert "dice: left out, users of agent random cannot compare pages" in ran.out
    _edit(world, "  everyone: {agent: behaviour, users: 20}\n", "")
    _fails(focusgroup("duel", path), "agent random cannot say", "--llm MODEL")
    _fails(focusgroup("duel", path, "--llm", "embedded"), "--llm: no audience")


def test_one_recommender_is_no_duel(focusgroup: Run, world: Path) -> None:
    path = _edit(world, "[random, popularity, item_knn]", "[random]")
    _fails(focusgroup("duel", path), "at least two recommenders")


def test_a_model_without_log_probabilities_is_asked_for_a_choice(
    focusgroup: Run, world: Path, start_server: Callable[..., Any]
) -> None:
    with start_server("--no-logprobs") as server:
        arguments = ("duel", world / "scenario.yaml", "--llm", f"openai:demo-model@{server.url}")
        small = ("--users", 2, "--pairs", "baseline", "--quiet", "--out", world / "duels")
        ran = focusgroup(*arguments, *small)
        assert ran.code == 0, ran.err
        assert "style duel (choice)" in ran.out
        _fails(focusgroup(*arguments, *small, "--reply", "odds"), "no log-probabilities")


def test_all_models_of_duels_spend_from_one_purse(
    focusgroup: Run, world: Path, server: Any
) -> None:
    urls = {"en": server.url, "zh": server.url.replace("127.0.0.1", "localhost")}
    audiences = (
        f"{language}: {{agent: llm, llm: openai:demo-model@{url}, users: 4, language: {language}}}"
        for language, url in urls.items()
    )
    path = _edit(world, "everyone: {agent: behaviour, users: 20}", "\n  ".join(audiences))
    arguments = ("duel", path, "--reply", "choice", "--quiet", "--out")
    assert focusgroup(*arguments, world / "whole").code == 0
    tokens = [audience["tokens"] for audience in _read(world / "whole")["audiences"]]
    taken = sum(each["prompt"] + each["completion"] for each in tokens)
    ran = focusgroup(*arguments, world / "limited", "--max-tokens", taken - 1)
    assert ran.code == 3, ran
    assert "go on with the same command" in ran.err
