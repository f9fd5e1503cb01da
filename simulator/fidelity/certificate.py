"""The fidelity certificate of one dataset, model and configuration: what it holds and what it says.

Its file form is in `certificate_file`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from focusgroup.simulator.errors import UserError, did_you_mean

from .row import ROWS, Row

BEHAVIOUR = "behaviour"
"""Fingerprint of the model where no language model takes part."""


@dataclass(frozen=True, slots=True)
class Users:
    """How many users, in disjoint groups: simulated, calibrated on, trained recommenders on."""

    test: int
    calibration: int
    training: int


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What the certificate is true of, and nothing else.

    Attributes:
        data: of the dataset's content.
        model: of the language model, or `BEHAVIOUR`.
        configuration: of `Certificate.configuration`.
    """

    data: str
    model: str
    configuration: str


@dataclass(frozen=True, slots=True)
class Questions:
    """Where every question went. Raises ValueError unless shown = answered + failed."""

    shown: int
    answered: int
    failed: int

    def __post_init__(self) -> None:
        if self.shown != self.answered + self.failed:
            raise ValueError(
                f"{self.shown} questions shown, but {self.answered} answered + {self.failed} failed"
            )


@dataclass(frozen=True, slots=True)
class ShareLine:
    """One line of the table on what the language model adds.

    Attributes:
        name: what is measured of whom. slice: among which users or items.
        verdict: in a word or a sentence.
    """

    name: str
    slice: str
    value: float
    low: float
    high: float
    n: int
    verdict: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """How far the simulated users of one dataset, model and configuration can be believed.

    Attributes:
        dataset: its name. source, licence: of the data.
        model: who answered, in words.
        final: whether the users kept back for the end were read.
        sample: number of users that the ranking of recommenders is stated for; 0 if it is not.
        configuration: key -> value of everything the fingerprint of the configuration covers.
        versions: package -> version.
        rows: one for each name of `ROWS`, in any order.
        questions: of all exams together.
        notes: sentences a reader should know.
        share: what the language model adds; empty without one.
        command: the command line that makes this certificate, "" if not made by one.
    """

    dataset: str
    source: str
    licence: str
    model: str
    users: Users
    final: bool
    sample: int
    fingerprints: Fingerprints
    configuration: Mapping[str, str]
    versions: Mapping[str, str]
    seed: int
    rows: tuple[Row, ...]
    questions: Questions
    notes: tuple[str, ...] = ()
    share: tuple[ShareLine, ...] = ()
    command: str = ""

    def row(self, name: str) -> Row:
        """The row of that name. Raises KeyError where there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def in_order(self) -> tuple[Row, ...]:
        """The rows, those that decide first, each group in the order of `ROWS`."""
        place = {name: number for number, name in enumerate(ROWS)}
        return tuple(
            sorted(self.rows, key=lambda r: (not decides(r.name), place.get(r.name, len(place))))
        )

    def deciding(self) -> tuple[Row, ...]:
        """The rows that decide, in the order of `ROWS`."""
        return tuple(row for row in self.in_order() if decides(row.name))

    @property
    def verdict(self) -> str:
        """One plain sentence: which of the rows that decide pass, fail, or cannot be known."""
        deciding = self.deciding()
        strong = [row.name for row in deciding if row.verdict == "strong"]
        passed = [row.name for row in deciding if row.passes]
        failed = [row.name for row in deciding if row.passes is False]
        unknown = [row.name for row in deciding if row.passes is None]
        if not deciding:
            return "No row that decides was measured."
        parts = [f"{len(passed)} of {len(deciding)} rows that decide pass"]
        if strong:
            parts[0] += f" ({listed(strong)} strongly)"
        if failed:
            parts.append(f"{listed(failed)} {'fails' if len(failed) == 1 else 'fail'}")
        if unknown:
            parts.append(f"{listed(unknown)} cannot be known here")
        return "; ".join(parts) + "."


def decides(name: str) -> bool:
    """Whether the row of that name is one of those that decide."""
    return name in ROWS and ROWS[name].decides


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([part for part in (", ".join(names[:-1]), *names[-1:]) if part])


def incomplete(rows: Iterable[Row]) -> tuple[str, ...]:
    """What is wrong with these rows as a whole certificate, a sentence each; () if nothing.

    Complete is: every name of `ROWS` once, with a figure or with the reason why there is none.
    """
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)
    complaints = [f"row {name!r} is missing" for name in ROWS if name not in found]
    for name, same in found.items():
        if name not in ROWS:
            complaints.append(f"row {name!r} is unknown.{did_you_mean(name, ROWS)}")
        if len(same) > 1:
            complaints.append(f"row {name!r} stands there {len(same)} times")
        for row in same:
            if row.passes is None and not row.reason.strip():
                complaints.append(f"row {name!r} has no verdict and no reason why")
            elif row.passes is not None and math.isnan(row.value):
                complaints.append(f"row {name!r} has a verdict but no figure")
    return tuple(complaints)


def check_complete(certificate: Certificate) -> None:
    """Raises UserError: a row is missing, twice, unknown, or without figure and reason."""
    if complaints := incomplete(certificate.rows):
        raise UserError(f"the certificate is not complete: {'; '.join(complaints)}")


def check_required(names: Iterable[str]) -> None:
    """Raises UserError: one of the names is no row."""
    for name in names:
        if name not in ROWS:
            raise UserError(f"--require: there is no row {name!r}.{did_you_mean(name, ROWS)}")


def missed(certificate: Certificate, names: Iterable[str]) -> tuple[Row, ...]:
    """The required rows that do not pass; one that cannot be known does not pass.

    Raises:
        UserError: one of the names is no row.
    """
    required = tuple(dict.fromkeys(names))
    check_required(required)
    return tuple(row for name in required if not (row := certificate.row(name)).passes)
