"""A disk or a quota that is full: one message, nothing torn, and it goes on when there is room.

The disk is a real one of 16 MB (a tmpfs) where mounting is allowed; a limit on the size of files
(RLIMIT_FSIZE), which stands in for a quota, is tried everywhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

LLM = ("--llm", "openai:scripted@http://127.0.0.1:9/v1", "--quiet")
SIZE = 16 * 2**20


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("disk")
    mount = shutil.which("mount")
    command = (mount, "-t", "tmpfs", "-o", f"size={SIZE}", "focusgroup-test", str(folder))
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs is not allowed here; RLIMIT_FSIZE is tried instead")
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


@pytest.fixture(scope="module")
def whole(forks: Any, world: Path, stored: Any) -> list[Any]:
    """The sessions of a run that had room."""
    run = world / "roomy"
    command = ("run", world / "scenario.yaml", *LLM, "--out", run)
    ran = forks.run(command, said=world / "said-roomy", asked=world / "asked-roomy")
    assert ran.code == 0, ran.err
    sessions: list[Any] = stored.sessions_of(run)
    return sessions


def one_message(err: str) -> str:
    """What went wrong: told once, without a traceback."""
    assert "Traceback" not in err and "Exception" not in err, err
    told = [line for line in err.splitlines() if line.startswith(("error:", "stopped:"))]
    assert len(told) == 1, err
    return told[0]


@contextmanager
def nearly_full(disk: Path, free: int) -> Iterator[None]:
    """Only so many bytes are left on the disk."""
    filler = disk / "filler"
    try:
        room = os.statvfs(disk)
        filler.write_bytes(bytes(room.f_bavail * room.f_bsize - free))
        yield
    finally:
        filler.unlink()


# Kilobytes left, whether the journal lies on another disk, and what there is no room for.
@pytest.mark.parametrize(
    ("free", "elsewhere", "code", "where"),
    [
        (0, False, 2, "journal.sqlite"),
        (40, False, 3, "journal.sqlite"),
        (150, False, 3, ""),
        (0, True, 3, "manifest.json"),
        (24, True, 3, "sessions/part-"),
        (4000, True, 2, "report.html"),
    ],
)
def test_a_full_disk(
    forks: Any, world: Path, disk: Path, whole: list[Any], stored: Any, free: int,
    elsewhere: bool, code: int, where: str,
) -> None:  # fmt: skip
    name = f"{free}-{elsewhere}"
    run, said, asked = disk / f"run-{name}", world / f"said-{name}", world / f"asked-{name}"
    journal = world / f"journal-{name}.sqlite" if elsewhere else run / "journal.sqlite"
    shared = ("--journal", journal) if elsewhere else ()
    start = ("run", world / "scenario.yaml", *LLM, "--out", run, *shared)
    with nearly_full(disk, free * 1024):
        ran = forks.run(start, said=said, asked=asked)
        assert ran.code == code, ran.err
        told = one_message(ran.err)
        assert where in told
        assert "room" in told
        stored.check_whole(run)
        stored.check_tidy(run)
    kept = stored.journaled(journal)
    begun = (run / "manifest.json").exists()
    if code == 3:
        assert f"resume {run}" in ran.err if begun else "the same command" in ran.err
    elif where == "report.html":
        assert f"focusgroup report {run}" in ran.err
        assert stored.sessions_of(run) == whole
    else:
        assert not run.exists()
    asked.unlink(missing_ok=True)
    on = ("resume", run, "--quiet") if begun else start
    resumed = forks.run(on, said=said, asked=asked)
    assert resumed.code == 0, resumed.err
    assert not kept.intersection(asked.read_text().split())
    assert stored.sessions_of(run) == whole
    assert (run / "report.html").exists()
    shutil.rmtree(run)


@pytest.mark.parametrize(
    ("largest", "code", "where"),
    [
        (1_000, 2, "journal.sqlite"),
        (100_000, 3, "journal.sqlite"),
        (4_200_000, 2, "report.html"),
    ],
)
def test_a_quota(
    forks: Any, world: Path, whole: list[Any], stored: Any, largest: int, code: int, where: str
) -> None:
    run, said = world / f"quota-{largest}", world / f"said-quota-{largest}"
    start = ("run", world / "scenario.yaml", *LLM, "--out", run)
    ran = forks.run(start, said=said, asked=world / "asked-quota", largest=largest)
    assert ran.code == code, ran.err
    assert where in one_message(ran.err)
    stored.check_whole(run)
    stored.check_tidy(run)
    on = ("resume", run, "--quiet") if (run / "manifest.json").exists() else start
    resumed = forks.run(on, said=said, asked=world / "asked-quota")
    assert resumed.code == 0, resumed.err
    assert stored.sessions_of(run) == whole


def test_a_journal_that_cannot_be_compacted_is_as_it_was(
    forks: Any, world: Path, disk: Path, whole: list[Any], stored: Any
) -> None:
    journal = disk / "journal.sqlite"
    shutil.copyfile(world / "roomy" / "journal.sqlite", journal)
    before = stored.journaled(journal)
    with nearly_full(disk, 2 * 4096):
        ran = forks.run(("journal", "compact", journal), said=world / "said-compact")
        assert ran.code == 2, ran.err
        assert "Make room" in one_message(ran.err)
        assert stored.journaled(journal) == before
        own = {
            "journal.sqlite-wal",
            "journal.sqlite-shm",
        }  # SQLite's, where it had no room to close
        assert {path.name for path in disk.iterdir()} - own == {"journal.sqlite", "filler"}
    ran = forks.run(("journal", "compact", journal), said=world / "said-compact")
    assert ran.code == 0, ran.err
    assert stored.journaled(journal) == before
