"""What a run directory holds, as anybody sees it who looks at any instant."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq

from focusgroup.simulator import ParquetStore, Session

REPORT_ENDS = b"</html>"


def sessions_of(run: Path) -> list[Session]:
    """The stored sessions; each is in one part, once."""
    held: Counter[tuple[object, ...]] = Counter()
    for part in (run / "sessions").glob("part-*.parquet"):
        rows = pq.read_table(part, columns=["audience", "arm", "user_id", "round", "attempt"])
        held.update(set(zip(*(column.to_pylist() for column in rows.columns), strict=True)))
    assert all(count == 1 for count in held.values()), "a session is stored twice"
    return ParquetStore(run / "sessions", writing=False).sessions()


def check_whole(run: Path) -> None:
    """Whatever is there under its name is whole."""
    for part in (run / "sessions").glob("part-*"):
        if part.suffix == ".parquet":
            pq.read_table(part)
    for name in ("manifest.json", "sweep.json"):
        if (run / name).exists():
            json.loads((run / name).read_text())
    if (run / "report.html").exists():
        assert (run / "report.html").read_bytes().rstrip().endswith(REPORT_ENDS)


def check_tidy(run: Path) -> None:
    """Nothing half-written is left."""
    assert not [path for path in run.rglob("*") if path.suffix in (".tmp", ".partial")]


def journaled(path: Path) -> set[str]:
    """Keys of the completions in a journal, read from a copy: the file stays as it was left."""
    if not path.exists():
        return set()
    with tempfile.TemporaryDirectory() as folder:
        for part in path.parent.glob(path.name + "*"):
            if not part.name.endswith("-shm"):
                shutil.copyfile(part, Path(folder) / part.name)
        with closing(sqlite3.connect(Path(folder) / path.name)) as db:
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not tables:
                return set()
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return {key for (key,) in db.execute("SELECT key FROM completions")}
