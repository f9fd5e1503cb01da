"""Sessions flattened once into tables that every metric and export reads."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator.types import Session

from .growing import Growing, Rows

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tables:
    """A run in three tables, in canonical order: audience, arm, user, round, page, slot.

    All three begin with audience, arm, user_id (categorical) and round (int).

    Attributes:
        exposures: one row an item shown. page (0-based), slot (1-based), item_id (categorical),
            answered (whether the page was), clicked, purchased (bool), price (paid, NaN if not
            bought), stars (given, NaN if not rated), p_click, p_purchase, e_stars (from the stored
            odds, NaN where there are none), propensity (NaN where unknown), turn (row of `turns`).
        turns: one row a page. page, answered (bool), cause (categorical, missing if answered),
            satisfaction and p_leave (NaN if unknown), leave_reason (categorical, missing if the
            user stayed), reviews and ungrounded (counts).
        sessions: one row a visit. end (categorical), attempt.
    """

    exposures: pd.DataFrame
    turns: pd.DataFrame
    sessions: pd.DataFrame


def flatten(sessions: Iterable[Session]) -> Tables:
    """Tables of the latest attempt of every session.

    The sessions are met one by one and none is kept, so a run need not fit in memory as objects.

    Raises:
        UserError: a stored turn contradicts itself (an action on an item that was not shown).
    """
    grown = Growing()
    for session in sessions:
        grown.add(session)
    return _tables(grown)


def _tables(grown: Growing) -> Tables:
    visits = np.array([grown.newest[key] for key in sorted(grown.newest)], np.int64)
    pages = _ints(grown.pages)
    turns = _spans(pages, visits)
    width = _ints(grown.width)
    shown = _spans(width, turns)
    keys = pd.DataFrame(
        {
            "audience": grown.audience.taken(visits),
            "arm": grown.arm.taken(visits),
            "user_id": grown.user_id.taken(visits),
            "round": _ints(grown.round)[visits],
        }
    )
    sessions = keys.assign(end=grown.end.taken(visits), attempt=_ints(grown.attempt)[visits])
    session = np.repeat(np.arange(len(visits)), pages[visits])
    turn = np.repeat(np.arange(len(turns)), width[turns])
    return Tables(
        _exposures(grown, shown, _taken(keys, session[turn]), turn, turns),
        _turns(grown, turns, _taken(keys, session)),
        sessions,
    )


def _taken(keys: pd.DataFrame, rows: Rows) -> dict[str, object]:
    return {str(name): column.array.take(rows) for name, column in keys.items()}


def _frame(keys: dict[str, object], **columns: object) -> pd.DataFrame:
    """A frame of these arrays themselves: a second copy of all exposures is not small."""
    return pd.DataFrame({**keys, **columns}, copy=False)


def _turns(grown: Growing, turns: Rows, keys: dict[str, object]) -> pd.DataFrame:
    return _frame(
        keys,
        page=_ints(grown.page)[turns],
        answered=np.array(grown.answered, bool)[turns],
        cause=grown.cause.taken(turns),
        satisfaction=_floats(grown.satisfaction)[turns],
        p_leave=_floats(grown.p_leave)[turns],
        leave_reason=grown.reason.taken(turns),
        reviews=_ints(grown.reviews)[turns],
        ungrounded=_ints(grown.ungrounded)[turns],
    )


def _exposures(
    grown: Growing, shown: Rows, keys: dict[str, object], turn: Rows, turns: Rows
) -> pd.DataFrame:
    n, width = len(grown.items), _ints(grown.width)[turns]
    clicked = np.zeros(n, bool)
    clicked[_ints(grown.clicks)] = True
    price = _summed(grown.purchases, n)[shown]
    return _frame(
        keys,
        page=_ints(grown.page)[turns][turn],
        slot=np.arange(len(turn)) - np.repeat(np.cumsum(width) - width, width) + 1,
        item_id=grown.items.taken(shown),
        answered=np.array(grown.answered, bool)[turns][turn],
        clicked=clicked[shown],
        purchased=~np.isnan(price),
        price=price,
        stars=_last(grown.ratings, n)[shown],
        p_click=_floats(grown.p_click)[shown],
        p_purchase=_floats(grown.p_purchase)[shown],
        e_stars=_floats(grown.e_stars)[shown],
        propensity=_floats(grown.propensity)[shown],
        turn=turn,
    )


def _spans(lengths: Rows, wanted: Rows) -> Rows:
    """The rows of the wanted ones, one after the other; the n-th of all has lengths[n] rows."""
    starts = np.cumsum(lengths) - lengths
    own = lengths[wanted]
    before = np.cumsum(own) - own
    rows: Rows = np.arange(own.sum()) + np.repeat(starts[wanted] - before, own)
    return rows


def _ints(column: array[int]) -> Rows:
    return np.array(column, np.int64)


def _floats(column: array[float]) -> Floats:
    return np.array(column, np.float64)


def _summed(pairs: Sequence[tuple[int, float]], n: int) -> Floats:
    column = np.full(n, np.nan)
    for row, value in pairs:
        column[row] = value if np.isnan(column[row]) else column[row] + value
    return column


def _last(pairs: Sequence[tuple[int, float]], n: int) -> Floats:
    column = np.full(n, np.nan)
    for row, value in pairs:
        column[row] = value
    return column
