"""The journal file: first commit wins, damaged rows are absent, kill -9 loses nothing committed."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focusgroup.agents.llm import Completion, Journal, Usage
from focusgroup.simulator.errors import UserError

# Text as a server may send it: anything but lone surrogates, which UTF-8 cannot hold.
texts = st.text(st.characters(exclude_categories=("Cs",)))
completions = st.builds(
    Completion,
    text=texts,
    finish_reason=texts,
    usage=st.builds(Usage, *[st.integers(0, 2**40)] * 3),
    logprobs=st.none()
    | st.lists(st.tuples(texts, st.floats(max_value=0, allow_nan=False)), max_size=4).map(tuple),
    latency=st.floats(0, 1e6),
)

WRITER = """
import sys
from pathlib import Path
from focusgroup.agents.llm import Completion, Journal
journal = Journal(Path(sys.argv[1]))
who = sys.argv[2]
for n in range(int(sys.argv[3])):
    stored = journal.put(f"key{n}", Completion(f"{who} {n} " + "x" * 500))
    print(n, stored.text.split()[0], flush=True)
"""


@settings(max_examples=50)
@given(completions)
def test_what_is_put_comes_back_exactly(completion):
    with tempfile.TemporaryDirectory() as folder:
        with Journal(Path(folder) / "j.sqlite") as journal:
            assert journal.put("key", completion) == completion
        with Journal(Path(folder) / "j.sqlite") as journal:
            assert journal.get("key") == completion
            assert journal.get("other") is None


def test_the_first_commit_wins(journal):
    assert journal.put("key", Completion("first")).text == "first"
    assert journal.put("key", Completion("second")).text == "first"
    assert journal.put_slate("key", "[1]") == "[1]"
    assert journal.put_slate("key", "[2]") == "[1]"
    assert journal.get_slate("key") == "[1]"
    assert journal.get_slate("other") is None


@pytest.mark.parametrize(
    "damage",
    ["text = 'forged'", "latency = 9", "logprobs = 'not json'", "checksum = ''", "text = x'ff00'"],
)
def test_a_damaged_row_is_absent_and_can_be_replaced(journal, damage):
    journal.put("key", Completion("whole"))
    journal.put("other", Completion("untouched"))
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute(f"UPDATE completions SET {damage} WHERE key = 'key'")
    assert journal.get("key") is None
    assert journal.put("key", Completion("again")).text == "again"
    assert journal.get("key") == Completion("again")
    assert journal.get("other") == Completion("untouched")


def test_a_damaged_slate_is_absent_and_can_be_replaced(journal):
    journal.put_slate("key", "[1]")
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute("UPDATE slates SET text = '[9]'")
    assert journal.get_slate("key") is None
    assert journal.put_slate("key", "[2]") == "[2]"
    assert journal.get_slate("key") == "[2]"


def test_a_row_moved_to_another_key_is_damaged(journal):
    journal.put("key", Completion("whole"))
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute("UPDATE completions SET key = 'stolen'")
    assert journal.get("stolen") is None


def test_a_writer_killed_with_sigkill_loses_nothing_it_committed(tmp_path):
    path = tmp_path / "journal.sqlite"
    writer = _writer(path, "a", 1_000_000)
    seen = [next(writer.stdout) for _ in range(200)]
    writer.send_signal(signal.SIGKILL)
    seen += list(writer.stdout)
    writer.wait()
    writer.stdout.close()
    assert writer.returncode == -signal.SIGKILL
    # The last line may itself have been cut in two.
    committed = [int(line.split()[0]) for line in seen if line.endswith("a\n")]
    assert committed[:200] == list(range(200))
    with Journal(path) as journal:
        assert all(journal.get(f"key{n}").text.startswith(f"a {n} ") for n in committed)
        assert journal.put("after", Completion("still writable")).text == "still writable"
        assert len(committed) <= journal.totals().completions - 1 <= len(committed) + 2
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_processes_that_share_a_file_agree_on_every_answer(tmp_path):
    path = tmp_path / "journal.sqlite"
    writers = [_writer(path, who, 60) for who in "abc"]
    said = []
    for writer in writers:
        said.append([line.split()[1] for line in writer.stdout])
        writer.stdout.close()
        assert writer.wait() == 0
    assert said[0] == said[1] == said[2]
    assert len(said[0]) == 60


def _writer(path: Path, who: str, rows: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), who, str(rows)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_reader_sees_rows_while_another_writes(journal):
    with Journal(journal.path, create=False) as reader:
        journal.put("key", Completion("seen"))
        assert reader.get("key") == Completion("seen")


def test_totals_count_rows_and_tokens(journal):
    journal.put("a", Completion("", usage=Usage(10, 2, 4)))
    journal.put("b", Completion("", usage=Usage(5, 1, 0)))
    journal.put_slate("s", "{}")
    totals = journal.totals()
    assert (totals.completions, totals.slates, totals.usage) == (2, 1, Usage(15, 3, 4))


def test_a_missing_file_is_an_error_where_it_must_exist(tmp_path):
    with pytest.raises(UserError, match=r"none\.sqlite: no such file"):
        Journal(tmp_path / "none.sqlite", create=False)
    assert not (tmp_path / "none.sqlite").exists()


def test_a_foreign_file_is_an_error_and_stays_untouched(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("These are notes, and far longer than a header of a database file. " * 20)
    before = text.read_bytes()
    with pytest.raises(UserError, match=r"notes\.txt: .*not a database"):
        Journal(text)
    assert text.read_bytes() == before
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as db, db:
        db.execute("CREATE TABLE mine(x)")
    with pytest.raises(UserError, match="no focusgroup journal"):
        Journal(other)


def test_a_journal_of_a_newer_version_is_an_error(journal):
    journal.close()
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(UserError, match="upgrade focusgroup"):
        Journal(journal.path)


def test_a_file_cut_short_is_an_error_that_names_it(journal):
    for n in range(300):
        journal.put(f"key{n}", Completion("x" * 500))
    journal.close()
    cut = journal.path.with_name("cut.sqlite")
    shutil.copyfile(journal.path, cut)
    with cut.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * 4096 * 20)
    with pytest.raises(UserError, match=r"cut\.sqlite: .*malformed"), Journal(cut) as damaged:
        for n in range(300):
            damaged.get(f"key{n}")


def test_a_folder_that_cannot_hold_it_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be opened"):
        Journal(tmp_path / "file" / "journal.sqlite")
