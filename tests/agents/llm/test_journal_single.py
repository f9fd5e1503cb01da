"""One thing wrong in a journal, and nothing else: it is noticed, named, and never a traceback."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from focusgroup.agents.llm import Completion, Journal, Usage
from focusgroup.agents.llm.journal.compact import compact
from focusgroup.agents.llm.journal.file import Unreadable, connect
from focusgroup.agents.llm.journal.survey import survey
from focusgroup.simulator.errors import UserError

ROWS = 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        for n in range(ROWS):
            journal.put(f"key-{n:02d}", Completion(f"answer {n}", usage=Usage(700, 30, 500)))
    return path


@pytest.mark.parametrize(
    "change",
    [
        "text = 'answer 8'",
        "prompt_tokens = prompt_tokens + 1",
        "latency = 1e-300",
        "logprobs = '[]'",
        "key = 'key-99'",
        "checksum = ''",
    ],
)
def test_one_changed_value_is_one_damaged_row(path: Path, change: str) -> None:
    with closing(connect(path)) as db:
        db.execute(f"UPDATE completions SET {change} WHERE key = 'key-07'")
    found = survey(path)
    assert (found.completions, len(found.damage.keys), found.damage.stretches) == (ROWS - 1, 1, 0)
    assert not found.sound
    done = compact(path)
    assert (done.kept, str(done.dropped)) == (ROWS - 1, "1 damaged row")
    assert survey(path).sound


def test_a_byte_that_flipped_is_noticed_wherever_it_is(path: Path, tmp_path: Path) -> None:
    """In a row, in a page's own notes or in the names of the tables."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole, draw, other = path.read_bytes(), random.Random(5), tmp_path / "other.sqlite"
    names = whole.index(b"CREATE TABLE")
    for place in (*draw.sample(range(100, len(whole)), 150), *range(names, names + 120)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x80
        other.write_bytes(damaged)
        for trace in ("-wal", "-shm"):
            other.with_name(other.name + trace).unlink(missing_ok=True)
        try:
            found = survey(other)
        except UserError as error:
            assert str(other) in str(error)
        else:
            same = (found.completions, found.usage) == (ROWS, Usage(700 * ROWS, 30 * ROWS, 20_000))
            assert same or not found.sound, place


@pytest.mark.parametrize("what", ["all", "noughts", "beginning", "size", "tables", "columns"])
def test_without_its_first_page_a_journal_is_unreadable_and_left_as_it_is(
    path: Path, what: str
) -> None:
    damaged = bytearray(path.read_bytes())
    tables, columns = damaged.index(b"CREATE TABLE"), damaged.index(b"finish_reason")
    draw = random.Random(5)
    where, instead = {
        "all": (0, draw.randbytes(4096)),
        "noughts": (0, bytes(4096)),
        "beginning": (0, b"s"),
        "size": (16, draw.randbytes(2)),
        "tables": (tables, b"CREATE FABLE"),
        "columns": (columns, b"finish_season"),
    }[what]
    damaged[where : where + len(instead)] = instead
    path.write_bytes(damaged)
    for read in (Journal, survey, compact):
        with pytest.raises(
            Unreadable, match=r"in its first page, .* `mv \S+ \S+\.damaged && touch"
        ):
            read(path)
    assert path.read_bytes() == damaged


def test_a_file_that_never_was_a_journal_is_not_called_a_damaged_one(path: Path) -> None:
    path.write_text('{"key": "value"}\n' * 1000)
    with pytest.raises(UserError, match="not a database") as caught:
        survey(path)
    assert not isinstance(caught.value, Unreadable)
