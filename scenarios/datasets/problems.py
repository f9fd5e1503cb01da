"""What is wrong with a file: every problem found, each with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from focusgroup.simulator.errors import UserError

KEPT = 20
_IN_ONE_MESSAGE = 3


class ProblemKind(StrEnum):
    """The classes of problems that are counted."""

    UNREADABLE = "unreadable"
    NOT_UTF8 = "not utf-8"
    RAGGED = "wrong number of fields"
    EMPTY = "empty"
    MISSING_COLUMN = "missing column"
    MISSING_ID = "missing id"
    DUPLICATE_ID = "duplicate id"
    UNKNOWN_ITEM = "unknown item"
    UNKNOWN_EVENT = "unknown event"
    NUMBER = "not a number"
    RANGE = "out of range"
    TIME = "not a time"
    FLAG = "not yes or no"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong at one place.

    Attributes:
        file: the file's path as it was given.
        row: 1-based line of a text file, 1-based row of a table without lines, 0 for the whole.
        column: name of the column, "" for the whole row.
        value: what stands there, shortened.
        expected: what was expected instead, in words.
    """

    kind: ProblemKind
    file: str
    row: int
    column: str
    value: str
    expected: str

    def __str__(self) -> str:
        place = self.file
        if self.row:
            place += f", row {self.row}"
        if self.column:
            place += f", column {self.column!r}"
        found = f" {self.value}," if self.value else ""
        return f"{place}:{found} expected {self.expected}"


def shown(value: object) -> str:
    """A value as an error shows it: quoted, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class BadDataset(UserError):
    """The files do not make a dataset.

    Attributes:
        problems: the first ones, by file and row (at most KEPT).
        counts: how many of each kind there are in all.
        rows: rows read per file, as far as reading got.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        counts: Mapping[ProblemKind, int],
        rows: Mapping[str, int],
    ) -> None:
        first = "; ".join(str(problem) for problem in problems[:_IN_ONE_MESSAGE])
        more = sum(counts.values()) - min(len(problems), _IN_ONE_MESSAGE)
        tail = f" (and {more} more: `focusgroup datasets check` lists them)" if more else ""
        super().__init__(f"{first}{tail}")
        self.problems = tuple(problems)
        self.counts = dict(counts)
        self.rows = dict(rows)


class Problems:
    """Collects problems: counts all of them, keeps the first KEPT of each kind and file."""

    def __init__(self) -> None:
        self._kept: list[Problem] = []
        self._counts: Counter[ProblemKind] = Counter()
        self.rows: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, problem: Problem, *, times: int = 1) -> None:
        """Note one problem that stands for `times` of its kind."""
        self._kept.append(problem)
        self._counts[problem.kind] += times

    def add_all(self, problems: Sequence[Problem], *, total: int) -> None:
        """Note problems of one kind, the first of `total`."""
        if problems:
            self._kept.extend(problems)
            self._counts[problems[0].kind] += total

    def stop_if_any(self) -> None:
        """Raises: BadDataset with all that was noted, if anything was."""
        if self._counts:
            order = sorted(self._kept, key=lambda p: (p.file, p.row, p.column))
            raise BadDataset(order[:KEPT], self._counts, self.rows)
