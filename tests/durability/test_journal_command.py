"""`focusgroup journal` at the command line: what it prints, where it fails, what it leaves be."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

LLM = ("--llm", "openai:scripted@http://127.0.0.1:9/v1", "--quiet")


@pytest.fixture(scope="module")
def finished(forks: Any, world: Path) -> Path:
    run = world / "journaled"
    command = ("run", world / "scenario.yaml", *LLM, "--out", run)
    ran = forks.run(command, said=world / "said-journaled", asked=world / "asked-journaled")
    assert ran.code == 0, ran.err
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def damage(journal: Path) -> None:
    """One letter of one answer is another."""
    data = journal.read_bytes()
    where = random.Random(1).choice([n for n in range(len(data)) if data.startswith(b"mood", n)])
    journal.write_bytes(data[:where] + b"wood" + data[where + 4 :])


def test_stats(forks: Any, run: Path, tmp_path: Path, stored: Any) -> None:
    count = len(stored.journaled(run / "journal.sqlite"))
    for path in (run, run / "journal.sqlite"):
        ran = forks.run(("journal", "stats", path), said=tmp_path / "said")
        assert ran.code == 0, ran.err
        told = {line[:12].strip(): line[13:] for line in ran.out.splitlines()}
        assert told["completions"] == str(count)
        assert told["models"] == "scripted"
        assert told["damaged"] == "nothing"


def test_damage_is_found_dropped_and_asked_again(
    forks: Any, run: Path, tmp_path: Path, stored: Any
) -> None:
    said, asked, journal = tmp_path / "said", tmp_path / "asked", run / "journal.sqlite"
    assert forks.run(("journal", "verify", run), said=said).code == 0
    before = stored.sessions_of(run)
    whole = journal.read_bytes()
    damage(journal)
    ran = forks.run(("journal", "verify", run), said=said)
    assert ran.code == 1
    assert "1 damaged row;" in ran.err
    assert f"focusgroup journal compact {journal}" in ran.err
    assert "1 damaged row" in forks.run(("journal", "stats", run), said=said).out
    out = tmp_path / "lines.jsonl"
    ran = forks.run(("journal", "export", run, "--out", out), said=said)
    assert (ran.code, out.exists()) == (2, False)
    ran = forks.run(("journal", "export", run), said=said)
    assert (ran.code, ran.out) == (2, "")
    # a part is lost too, so that the damaged answer is needed again
    for compacted in (False, True):
        journal.write_bytes(whole)
        damage(journal)
        if compacted:
            ran = forks.run(("journal", "compact", run), said=said)
            assert ran.code == 0, ran.err
            assert "dropped 1 damaged row" in ran.out
            assert forks.run(("journal", "verify", run), said=said).code == 0
        shutil.rmtree(run / "sessions")
        asked.unlink(missing_ok=True)
        ran = forks.run(("resume", run, "--quiet"), said=said, asked=asked)
        assert ran.code == 0, ran.err
        drops = 3  # lines that go dead are asked again as well: nothing came of them
        assert 1 <= len(asked.read_text().split()) <= 1 + 2 * drops
        assert stored.sessions_of(run) == before
        assert forks.run(("journal", "verify", run), said=said).code == 0


def test_without_its_first_page_it_says_how_to_start_afresh(
    forks: Any, run: Path, tmp_path: Path, stored: Any
) -> None:
    said, asked, journal = tmp_path / "said", tmp_path / "asked", run / "journal.sqlite"
    sessions = stored.sessions_of(run)
    lost = random.Random(1).randbytes(4096) + journal.read_bytes()[4096:]
    journal.write_bytes(lost)
    ran = forks.run(("journal", "verify", run), said=said)
    assert ran.code == 1
    assert "damaged in its first page" in ran.err
    commands = [("journal", what, run) for what in ("stats", "compact", "export")]
    for command in (*commands, ("resume", run, "--quiet")):
        refused = forks.run(command, said=said, asked=asked)
        assert (refused.code, refused.err) == (2, f"error: {ran.err}"), command
        assert journal.read_bytes() == lost
    (run / "sessions").rename(tmp_path / "sessions")  # all is needed again
    subprocess.run(re.findall("`(.*)`", ran.err)[0], shell=True, check=True)
    assert forks.run(("resume", run, "--quiet"), said=said, asked=asked).code == 0
    assert stored.sessions_of(run) == sessions
    assert journal.with_name("journal.sqlite.damaged").read_bytes() == lost


def test_a_run_whose_shared_journal_cannot_be_read_does_not_begin(
    forks: Any, world: Path, run: Path, tmp_path: Path
) -> None:
    journal, out = run / "journal.sqlite", tmp_path / "out"
    journal.write_bytes(bytes(4096) + journal.read_bytes()[4096:])
    before = journal.read_bytes()
    command = ("run", world / "scenario.yaml", *LLM, "--out", out, "--journal", journal)
    ran = forks.run(command, said=tmp_path / "said", asked=tmp_path / "asked")
    assert (ran.code, ran.err.count("error: ")) == (2, 1), ran
    assert f"journal {journal}: damaged in its first page" in ran.err
    assert (journal.read_bytes(), out.exists()) == (before, False)


def test_export(forks: Any, run: Path, tmp_path: Path, stored: Any) -> None:
    said, out = tmp_path / "said", tmp_path / "lines.jsonl"
    out.write_text("old")
    ran = forks.run(("journal", "export", run, "--out", out), said=said)
    assert ran.code == 0, ran.err
    keys = [json.loads(line)["key"] for line in out.read_text().splitlines()]
    assert keys == sorted(stored.journaled(run / "journal.sqlite"))
    assert f"{len(keys)} completions" in ran.out
    assert forks.run(("journal", "export", run), said=said).out == out.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"run", "said.out", "said.err", out.name}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("stats", "{run}s"), "Did you mean 'run'?"),
        (("stats", "{run}/sessions"), "no journal here"),
        (("verify", "{run}/manifest.json"), "not a database"),
        (("compact", "{run}/none.sqlite"), "no such run directory or journal"),
        (("export", "{run}", "--out", "{run}/journal.sqlite"), "give another file"),
        (("export", "{run}", "--out", "{run}"), "give another file"),
        (("export", "{run}", "--out", "{run}/none/lines.jsonl"), "existing folder"),
    ],
)
def test_errors_say_what_to_do(
    forks: Any, run: Path, tmp_path: Path, command: tuple[str, ...], told: str
) -> None:
    before = (run / "journal.sqlite").read_bytes()
    ran = forks.run(
        ("journal", *(word.format(run=run) for word in command)), said=tmp_path / "said"
    )
    assert ran.code == 2, ran
    assert told in ran.err
    assert ran.err.startswith("error: ")
    assert (run / "journal.sqlite").read_bytes() == before


def test_a_shared_journal_is_found_through_the_run(forks: Any, world: Path, tmp_path: Path) -> None:
    run, shared, said = tmp_path / "run", tmp_path / "shared.sqlite", tmp_path / "said"
    command = ("run", world / "scenario.yaml", *LLM, "--out", run, "--journal", shared)
    assert forks.run(command, said=said, asked=tmp_path / "asked").code == 0
    ran = forks.run(("journal", "stats", run), said=said)
    assert ran.code == 0, ran.err
    assert str(shared) in ran.out
    shared.unlink()
    ran = forks.run(("journal", "stats", run), said=said)
    assert (ran.code, "is gone" in ran.err) == (2, True)
