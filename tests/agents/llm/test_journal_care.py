"""Counting, verifying, compacting and exporting a journal, whole or damaged; many at it at once."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path

import pytest

from focusgroup.agents.llm import Completion, Journal, JournaledLLM, ScriptedLLM, Usage
from focusgroup.agents.llm.journal.compact import compact
from focusgroup.agents.llm.journal.export import export_lines
from focusgroup.agents.llm.journal.file import connect, discard_unpaid
from focusgroup.agents.llm.journal.survey import survey
from focusgroup.simulator.errors import RunStopped, UserError

ROWS = 2_000
PAGE = 4096


def key(n: int) -> str:
    return blake2b(str(n).encode(), digest_size=20).hexdigest()


def answer(n: int) -> Completion:
    return Completion(f"answer {n} " + "x" * (n % 700), usage=Usage(700, 30, 500))


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "journal.sqlite"
    with Journal(path) as journal:
        for n in range(ROWS):
            journal.put(key(n), answer(n))
        journal.put_slate("state", "[1, 2]")
    return path


@pytest.fixture
def copy(big: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(big, tmp_path / "journal.sqlite"))


def overwrite(path: Path, pages: int, seed: int = 1) -> None:
    """Damage on the disk: pages full of something else."""
    draw = random.Random(seed)
    last = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        for page in draw.sample(range(4, last), pages):
            file.seek(PAGE * page)
            file.write(draw.randbytes(PAGE))


def flip(path: Path, bits: int, seed: int = 1) -> None:
    """Damage on the disk: single bits, among them such that make text no longer UTF-8."""
    draw = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(bits):
        data[draw.randrange(4 * PAGE, len(data))] ^= 0x80
    path.write_bytes(data)


def rows(path: Path) -> dict[str, Completion]:
    """What a journal gives for every key that was put: all of it must be what was put."""
    with Journal(path, create=False) as journal:
        found = {n: journal.get(key(n)) for n in range(ROWS)}
    for n, completion in found.items():
        assert completion in (None, answer(n))
    return {key(n): completion for n, completion in found.items() if completion is not None}


def test_a_whole_journal_is_counted(copy: Path) -> None:
    found = survey(copy)
    assert (found.completions, found.slates, found.sound) == (ROWS, 1, True)
    assert found.usage == Usage(700 * ROWS, 30 * ROWS, 500 * ROWS)
    assert found.size == copy.stat().st_size


def test_models_that_were_asked_are_named(tmp_path: Path, request_one) -> None:
    import asyncio

    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        for name in ("qwen@sha256:1", "smol"):
            model = JournaledLLM(ScriptedLLM(lambda _: "yes", fingerprint=name), journal)
            asyncio.run(model.complete(request_one))
    assert survey(path).models == ("qwen@sha256:1", "smol")


@pytest.mark.parametrize("seed", range(4))
def test_bits_that_flipped_are_noticed_and_never_trusted(copy: Path, seed: int) -> None:
    flip(copy, 40, seed)
    found = survey(copy)
    assert not found.sound
    assert found.completions >= ROWS - 40 * 8
    done = compact(copy)
    assert done.dropped
    assert done.kept == found.completions + found.slates
    assert len(rows(copy)) == found.completions
    assert survey(copy).sound


@pytest.mark.parametrize("pages", [1, 4, 16])
def test_what_can_be_read_beside_damaged_pages_is_saved(copy: Path, pages: int) -> None:
    overwrite(copy, pages)
    found = survey(copy)
    assert found.damage.stretches
    assert not found.sound
    with pytest.raises(UserError, match=r"damaged .*focusgroup journal compact"):
        rows(copy)
    done = compact(copy)
    assert survey(copy).sound
    saved = rows(copy)
    assert len(saved) == found.completions == done.kept - survey(copy).slates
    # A page holds about seven rows, one that leads to others a hundred times that.
    assert len(saved) >= ROWS - 12 * pages - 700
    with Journal(copy) as journal:
        for n in range(ROWS):
            assert journal.put(key(n), answer(n)) == answer(n)
    assert len(rows(copy)) == ROWS


def test_text_that_is_no_text_any_more_is_absent(copy: Path) -> None:
    """Bytes that are no UTF-8 reach the checksum instead of an error."""
    with closing(sqlite3.connect(copy)) as db, db:
        db.execute("UPDATE completions SET text = CAST(x'61ff62' AS TEXT) WHERE key = ?", (key(5),))
    with Journal(copy) as journal:
        assert journal.get(key(5)) is None
        assert journal.put(key(5), answer(5)) == answer(5)
        assert journal.get(key(5)) == answer(5)


def test_half_a_surrogate_pair_can_be_kept(tmp_path: Path) -> None:
    """JSON that was cut within an emoji holds what UTF-8 cannot."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        stored = journal.put("key", Completion("good \ud83d"))
        assert stored.text == "good ?" == journal.get("key").text


def test_compacting_gives_space_back(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as db, db:
        db.execute("DELETE FROM completions WHERE key > '8'")
    done = compact(copy)
    assert done.after < 0.6 * done.before
    assert not done.dropped
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_compacting_is_refused_while_another_process_has_it_open(copy: Path) -> None:
    before = copy.read_bytes()
    with other("open", copy), pytest.raises(UserError, match="another process has it open"):
        compact(copy)
    assert copy.read_bytes() == before
    assert compact(copy).kept == ROWS + 1


def test_killed_while_compacting_it_is_as_it_was(copy: Path) -> None:
    overwrite(copy, 3)
    expected = survey(copy).completions
    with other("half-compact", copy):
        pass
    assert copy.with_name(copy.name + "-journal").exists(), "the kill came in the middle of it"
    found = survey(copy)
    assert found.completions == expected
    assert compact(copy).kept == expected + found.slates
    assert survey(copy).sound


def test_export_gives_a_line_a_completion(copy: Path) -> None:
    lines: list[str] = []
    assert export_lines(copy, lines.append) == ROWS
    told = [json.loads(line) for line in lines]
    assert [one["key"] for one in told] == sorted(key(n) for n in range(ROWS))
    texts = {one["key"]: one["text"] for one in told}
    assert all(texts[key(n)] == answer(n).text for n in range(ROWS))
    assert told[0]["usage"] == {"prompt": 700, "completion": 30, "cached": 500}
    assert set(told[0]) == {"key", "text", "finish_reason", "usage", "logprobs"}
    assert all(line.isascii() and line.endswith("}\n") for line in lines)


def test_a_damaged_journal_is_not_exported(copy: Path) -> None:
    overwrite(copy, 1)
    with pytest.raises(UserError, match="nothing is exported"):
        export_lines(copy, lambda line: None)


def test_no_room_stops_the_run_and_says_so(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.put("one", Completion("kept"))
    with Journal(path) as journal:
        journal._db.execute("PRAGMA max_page_count=4")
        with pytest.raises(RunStopped, match="Make room on the disk, or in your quota"):
            for n in range(100):
                journal.put(key(n), Completion("x" * 2000))
        assert journal.get("one") == Completion("kept")


def test_a_journal_without_an_answer_is_discarded_unless_others_have_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with pytest.raises(UserError), Journal(path):
        raise UserError("no server answers")
    assert not list(tmp_path.iterdir())
    connect(path).close()
    with other("open", path):
        discard_unpaid(path)
        assert path.exists()
    discard_unpaid(path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError), Journal(path) as journal:
        journal.put("paid", Completion("for"))
        raise UserError("gone wrong")
    discard_unpaid(path)
    assert path.exists()


OTHERS = """
import sys, sqlite3, os, signal
from pathlib import Path
from focusgroup.agents.llm import Completion, Journal
what, path = sys.argv[1], Path(sys.argv[2])
if what == "half-compact":
    import focusgroup.agents.llm.journal.compact as compacting
    class Slow(sqlite3.Connection):
        def backup(self, target):
            def half(status, remaining, total):
                if remaining < total // 2:
                    os.kill(os.getpid(), signal.SIGKILL)
            super().backup(target, pages=4, progress=half)
    connect = sqlite3.connect
    sqlite3.connect = lambda *a, **k: connect(*a, **{**k, "factory": Slow})
    compacting.compact(path)
journal = Journal(path)
print("ready", flush=True)
if what == "open":
    sys.stdin.read()
elif what == "read":
    seen = 0
    while not sys.stdin.closed:
        for n in range(150):
            found = journal.get(f"shared-{n}")
            assert found is None or found.text.startswith(f"{n} by "), found
            seen += found is not None
        if all(journal.get(f"shared-{n}") for n in range(150)):
            break
    print(seen)
else:
    for n in range(150):
        said = journal.put(f"shared-{n}", Completion(f"{n} by {what} " + "x" * 300))
        journal.put(f"{what}-{n}", Completion(f"{n} of {what}"))
        print(said.text.split()[2])
"""


@contextmanager
def other(what: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process at the journal, killed at the end."""
    command = [sys.executable, "-c", OTHERS, what, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    try:
        assert process.stdout.readline() in ("ready\n", "")
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_processes_that_write_and_read_at_once_see_whole_rows_and_agree(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    command = [sys.executable, "-c", OTHERS]
    ends = [
        subprocess.Popen([*command, what, str(path)], stdout=subprocess.PIPE, text=True)
        for what in ("a", "b", "c", "read", "read")
    ]
    told = [process.communicate(timeout=120)[0].split()[1:] for process in ends]
    assert [process.returncode for process in ends] == [0] * 5
    assert told[0] == told[1] == told[2]
    assert len(told[0]) == 150
    assert all(int(reader[0]) >= 150 for reader in told[3:])
    found = survey(path)
    assert (found.completions, found.sound) == (4 * 150, True)
