"""Every row of a journal that can be read, also where pages of its file are damaged."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from .file import is_damage
from .rows import Row, Table, is_whole

# Keys are ordered like numbers of this many digits: enough to part any two keys we make. Most are
# hashes, and no digit is spent on what these never hold: a stretch is halved where its rows are.
_DIGITS = 48
_LETTERS = "0123456789abcdef"
_BASE = len(_LETTERS) + 1
_ABOVE_ALL: int = _BASE**_DIGITS
# In SQLite every text comes before every blob: a key that damage made a blob is met as well.
_END = b"\xff" * 8
# A stretch of keys in which nothing could be read is halved this often: 2^8 places are tried.
_BARREN = 8


@dataclass(slots=True)
class Damage:
    """What was met that is not as it was written.

    Attributes:
        keys: keys of rows whose checksum does not match.
        stretches: stretches of the file that SQLite cannot read; each may have held several rows.
    """

    keys: set[object] = field(default_factory=set)
    stretches: int = 0

    def __bool__(self) -> bool:
        return bool(self.keys or self.stretches)

    def __str__(self) -> str:
        told = []
        if self.keys:
            told.append(f"{len(self.keys)} damaged row{'s' * (len(self.keys) > 1)}")
        if self.stretches:
            told.append(
                f"{self.stretches} stretch{'es' * (self.stretches > 1)} of the file that cannot be"
                " read"
            )
        return " and ".join(told) or "no damage"


def whole_rows(db: sqlite3.Connection, table: Table, damage: Damage) -> Iterator[Row]:
    """Whole rows in order of their keys (past the first unreadable page: in no order), with what
    is damaged added to `damage`.

    Raises:
        sqlite3.Error: for other reasons than damaged pages.
    """
    return _Salvage(db, table, damage).between("", _END, barren=0)


@dataclass(slots=True)
class _Salvage:
    """Attributes: lost_to: where the last stretch ends that could not be read."""

    db: sqlite3.Connection
    table: Table
    damage: Damage
    lost_to: str | bytes | None = None

    def between(self, low: str, high: str | bytes, *, barren: int) -> Iterator[Row]:
        """Rows with low < key < high.

        Args:
            barren: how often this stretch was halved since a row was found in it.
        """
        first = last = None
        for row in self._scan(low, high, "ASC"):
            if row is None:
                break
            first = str(row[0])
            yield row
        else:
            return
        low = first or low
        for row in self._scan(low, high, "DESC"):
            if row is None:
                break
            last = str(row[0])
            yield row
        high = last or high
        barren = 0 if first or last else barren + 1
        bottom, top = _number(low), _number(high)
        if barren > _BARREN or top - bottom < 2:
            self.damage.stretches += low != self.lost_to
            self.lost_to = high
            return
        middle = max(low, _word((bottom + top) // 2))  # keys that are no hashes look alike
        yield from self.between(low, middle, barren=barren)
        yield from self.between(middle, high, barren=barren)

    def _scan(self, low: str, high: str | bytes, order: str) -> Iterator[Row | None]:
        """Whole rows one way; None, and no more, where a page cannot be read."""
        query = f"{self.table.select} WHERE key > ? AND key < ? ORDER BY key {order}"
        # Python reads a row ahead: that before the page is lost, unless it is asked for alone.
        for limit in ("", " LIMIT 1"):
            begun = False
            try:
                rows = self.db.execute(query + limit, (low, high))
                begun = True
                for row in rows:
                    if not is_whole(row):
                        self.damage.keys.add(row[0])
                    elif _within(low, str(row[0]), high):
                        key = str(row[0])
                        low, high = (key, high) if order == "ASC" else (low, key)
                        yield row
                if not limit:
                    return
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                if not begun:
                    break
        yield None


def _within(low: str, key: str, high: str | bytes) -> bool:
    """SQLite trusts the order of keys where one of them is damaged, and may begin elsewhere."""
    return low < key and (isinstance(high, bytes) or key < high)


def _number(key: str | bytes) -> int:
    if isinstance(key, bytes):
        return _ABOVE_ALL
    number = 0
    for letter in key[:_DIGITS].ljust(_DIGITS, "\0"):
        number = number * _BASE + bisect_right(_LETTERS, letter)
    return number


def _word(number: int) -> str:
    letters = []
    for _ in range(_DIGITS):
        number, letter = divmod(number, _BASE)
        letters.append(_LETTERS[letter - 1] if letter else "\0")
    return "".join(reversed(letters)).rstrip("\0")
