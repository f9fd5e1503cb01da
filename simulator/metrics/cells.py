"""One audience's rows, each placed in its cell (arm, round, user): what metrics add up over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator.types import Catalog, SessionEnd

from .exposures import Floats, Tables

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Context:
    """What metrics know besides the sessions.

    Attributes:
        held_out: per user, the items liked in the part of the log nobody was shown.
        popularity: per item, its number of events in the log.
    """

    catalog: Catalog
    held_out: Mapping[str, frozenset[str]]
    popularity: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sums:
    """A ratio of sums, one numerator and denominator a cell; shape (arms, rounds, users).

    A numerator of NaN means that this cell's rows do not say (no stored odds).
    """

    numerator: Floats
    denominator: Floats


@dataclass(frozen=True, slots=True)
class Cells:
    """The tables of one audience.

    Attributes:
        arms: in the order of display; an arm may have no rows.
        rounds: ascending.
        users: sorted.
        exposures, turns, sessions: as in `Tables`, with two columns more: cell (int, row-major
            index into (arms, rounds, users)) and finished (the visit ended as left or limit).
    """

    audience: str
    arms: tuple[str, ...]
    rounds: tuple[int, ...]
    users: tuple[str, ...]
    exposures: pd.DataFrame
    turns: pd.DataFrame
    sessions: pd.DataFrame
    context: Context

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.arms), len(self.rounds), len(self.users)

    def sum(self, cell: Ints, weights: Floats | Flags | None = None) -> Floats:
        """Sum of weights (or count of rows) a cell, shape (arms, rounds, users)."""
        arms, rounds, users = self.shape
        total = np.bincount(cell, weights, minlength=arms * rounds * users)
        return total.astype(np.float64).reshape(self.shape)


def floats(frame: pd.DataFrame, column: str) -> Floats:
    """A numeric column as float64."""
    return frame[column].to_numpy(dtype=np.float64)


def ints(frame: pd.DataFrame, column: str) -> Ints:
    """A whole-number column as int64."""
    return frame[column].to_numpy(dtype=np.int64)


def flags(frame: pd.DataFrame, column: str) -> Flags:
    """A bool column."""
    return frame[column].to_numpy(dtype=np.bool_)


def codes(frame: pd.DataFrame, column: str) -> Ints:
    """The category codes of a categorical column, -1 where missing."""
    return np.asarray(frame[column].cat.codes.to_numpy(), np.int64)


def names(frame: pd.DataFrame, column: str) -> list[str]:
    """The categories of a categorical column, in the order of their codes."""
    categories: list[str] = frame[column].cat.categories.tolist()
    return categories


def place(tables: Tables, arms: Sequence[str], context: Context) -> tuple[Cells, ...]:
    """The cells of every audience, audiences sorted by name.

    Args:
        arms: order of display; must hold every arm of the tables.
    """
    return tuple(
        _audience(tables, code, audience, tuple(arms), context)
        for code, audience in enumerate(names(tables.sessions, "audience"))
    )


def _audience(
    tables: Tables, code: int, audience: str, arms: tuple[str, ...], context: Context
) -> Cells:
    own = tables.sessions[codes(tables.sessions, "audience") == code]
    user_codes = np.unique(codes(own, "user_id"))
    rounds = np.unique(ints(own, "round"))
    arm_of = np.array([arms.index(arm) for arm in names(own, "arm")], np.int64)

    def cell(frame: pd.DataFrame) -> Ints:
        user = np.searchsorted(user_codes, codes(frame, "user_id"))
        round_ = np.searchsorted(rounds, ints(frame, "round"))
        placed = (arm_of[codes(frame, "arm")] * len(rounds) + round_) * len(user_codes) + user
        return placed.astype(np.int64)

    end = own["end"].to_numpy()
    own = own.assign(cell=cell(own), finished=end != SessionEnd.FAILED.value)
    finished = np.zeros(len(arms) * len(rounds) * len(user_codes), np.bool_)
    finished[ints(own, "cell")] = flags(own, "finished")

    def part(frame: pd.DataFrame) -> pd.DataFrame:
        mine = codes(frame, "audience") == code
        frame = frame if mine.all() else frame[mine]  # of one audience alone, no second copy
        at = cell(frame)
        return frame.assign(cell=at, finished=finished[at])

    all_users = names(own, "user_id")
    return Cells(
        audience=audience,
        arms=arms,
        rounds=tuple(int(r) for r in rounds),
        users=tuple(all_users[c] for c in user_codes),
        exposures=part(tables.exposures),
        turns=part(tables.turns),
        sessions=own,
        context=context,
    )
