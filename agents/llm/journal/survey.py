"""What a journal holds and whether it is as it was written: every row read, every checksum held."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from focusgroup.agents.llm.protocol import Usage

from .file import connect, is_damage, troubles_of
from .rows import COMPLETIONS, SLATES, completion_of, model_of
from .salvage import Damage, whole_rows


@dataclass(frozen=True, slots=True)
class Survey:
    """A journal, counted.

    Attributes:
        completions, slates: whole rows; usage: tokens the completions once cost.
        models: fingerprints of the models that were asked.
        size: bytes on disk, with what is not yet merged into the file.
        damage: what is not as it was written.
        structure: what SQLite says of the file's inner order; "" if it is sound.
    """

    completions: int
    slates: int
    usage: Usage
    models: tuple[str, ...]
    size: int
    damage: Damage = field(default_factory=Damage)
    structure: str = ""

    @property
    def sound(self) -> bool:
        return not self.damage and not self.structure


def survey(path: Path) -> Survey:
    """Read a whole journal; others may write to it meanwhile and are not waited for.

    Raises:
        UserError: no such file, or no journal; Unreadable where nothing can be read.
    """
    damage = Damage()
    completions = prompt = completion = cached = slates = 0
    models: set[str] = set()
    with closing(connect(path, create=False)) as db, troubles_of(path):
        db.execute("BEGIN")  # one state of the file, whatever is added meanwhile
        for row in whole_rows(db, COMPLETIONS, damage):
            usage = completion_of(row).usage
            completions += 1
            prompt += usage.prompt
            completion += usage.completion
            cached += usage.cached
        for row in whole_rows(db, SLATES, damage):
            slates += 1
            model = model_of(str(row[0]))
            models |= {model} if model is not None else set()
        structure = _structure(db)
        size = size_of(path)
    usage = Usage(prompt, completion, cached)
    return Survey(completions, slates, usage, tuple(sorted(models)), size, damage, structure)


def size_of(path: Path) -> int:
    """Bytes of a journal on disk."""
    parts = (path, path.with_name(path.name + "-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


def _structure(db: sqlite3.Connection) -> str:
    try:
        (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return str(error)
    return "" if said == "ok" else " ".join(str(said).split())
