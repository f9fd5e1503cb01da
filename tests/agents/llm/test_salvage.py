"""Damaged pages of a journal: every row beside them is saved, however they lie."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from focusgroup.agents.llm import Completion, Journal
from focusgroup.agents.llm.journal.compact import compact
from focusgroup.agents.llm.journal.file import connect
from focusgroup.agents.llm.journal.rows import COMPLETIONS, Row, completion_row
from focusgroup.agents.llm.journal.salvage import Damage, whole_rows

PAGE = 4096
LEAF = b"\x0a"
KEY = re.compile(rb"(?<![0-9a-f])[0-9a-f]{40}")


@dataclass(frozen=True)
class Laid:
    """A journal without loose ends: where its pages of rows lie, in order, and their keys.

    Attributes:
        between: keys of rows that lie apart, each between a page and the next.
    """

    path: Path
    leaves: tuple[int, ...]
    keys: tuple[frozenset[str], ...]
    between: tuple[str, ...]


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    keys = [blake2b(str(n).encode(), digest_size=20).hexdigest() for n in range(1_000)]
    return lay(tmp_path_factory.mktemp("laid") / "journal.sqlite", keys)


def lay(path: Path, keys: Sequence[str]) -> Laid:
    with Journal(path) as journal:
        for key in keys:
            journal.put(key, Completion("x" * 400))
    compact(path)
    data = path.read_bytes()
    found = {}
    for start in range(PAGE, len(data), PAGE):
        there = frozenset(k.decode() for k in KEY.findall(data[start : start + PAGE]))
        if data[start : start + 1] == LEAF and there:
            found[start] = there
    leaves = sorted(found, key=lambda start: min(found[start]))
    between = sorted(set(keys).difference(*found.values()))
    assert len(between) == len(leaves) - 1
    return Laid(path, tuple(leaves), tuple(found[start] for start in leaves), tuple(between))


def few(place: int, of: int) -> bool:
    return place in (of // 3, of // 2)


def ends(place: int, of: int) -> bool:
    return place in (0, of - 1)


def every_other(place: int, of: int) -> bool:
    return place < 30 and place % 2 == 0


def two_of_three(place: int, of: int) -> bool:
    return place < 30 and place % 3 != 1


def around_one(place: int, of: int) -> bool:
    """A page stands alone amid many that are lost."""
    return 0 < abs(place - 45) <= 40


@pytest.mark.parametrize(
    "lost", [few, ends, every_other, two_of_three, around_one], ids=lambda one: one.__name__
)
def test_all_that_lies_beside_lost_pages_is_saved(
    laid: Laid, lost: Callable[[int, int], bool], tmp_path: Path
) -> None:
    path = Path(shutil.copyfile(laid.path, tmp_path / "journal.sqlite"))
    check_saved(laid, path, lost)


def test_keys_that_begin_alike_are_parted(tmp_path: Path) -> None:
    laid = lay(tmp_path / "journal.sqlite", [f"{n:040x}" for n in range(16**9, 16**9 + 300)])
    check_saved(laid, laid.path, few)


def test_a_row_that_is_met_out_of_order_is_told_once() -> None:
    """Where the key between two pages was damaged, SQLite looks for others on the wrong side."""

    class Astray:
        def execute(self, query: str, bounds: Sequence[object]) -> Iterator[Row]:
            yield completion_row("5" * 40, Completion("here"))
            error = sqlite3.DatabaseError("malformed")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error

    damage = Damage()
    rows = list(whole_rows(cast(sqlite3.Connection, Astray()), COMPLETIONS, damage))
    assert [row[0] for row in rows] == ["5" * 40]
    assert damage.stretches == 1


def check_saved(laid: Laid, path: Path, lost: Callable[[int, int], bool]) -> None:
    draw = random.Random(1)
    hits = [lost(place, len(laid.leaves)) for place in range(len(laid.leaves))]
    with path.open("r+b") as file:
        for start, hit in zip(laid.leaves, hits, strict=True):
            if hit:
                file.seek(start)
                file.write(draw.randbytes(PAGE))
    left = {key for keys, hit in zip(laid.keys, hits, strict=True) if not hit for key in keys}
    # A row between two pages is reached from either.
    sides = zip(laid.between, pairwise(hits), strict=True)
    left |= {key for key, (before, after) in sides if not (before and after)}
    damage = Damage()
    with closing(connect(path)) as db:
        saved = [str(row[0]) for row in whole_rows(db, COMPLETIONS, damage)]
    assert len(saved) == len(set(saved)), "none twice"
    assert set(saved) == left
    assert damage.stretches == sum(hit and not before for before, hit in pairwise([False, *hits]))
    assert damage


def test_what_is_no_damage_is_not_passed_over() -> None:
    told = pytest.raises(sqlite3.OperationalError, match="no such table")
    with closing(sqlite3.connect(":memory:")) as db, told:
        list(whole_rows(db, COMPLETIONS, Damage()))
