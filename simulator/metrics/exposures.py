"""Sessions flattened once into tables that every metric and export reads."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator.errors import FailureCause, UserError
from focusgroup.simulator.types import (
    Click,
    Failure,
    Leave,
    LeaveReason,
    Purchase,
    Rate,
    Response,
    Review,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
)

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


def latest(sessions: Iterable[Session]) -> list[Session]:
    """The latest attempt of every session, sorted by key."""
    kept: dict[SessionKey, Session] = {}
    for session in sessions:
        known = kept.get(session.key)
        if known is None or session.attempt >= known.attempt:
            kept[session.key] = session
    return sorted(
        kept.values(), key=lambda s: (s.key.audience, s.key.arm, s.key.user_id, s.key.round)
    )


def flatten(sessions: Iterable[Session]) -> Tables:
    """Tables of the latest attempt of every session.

    Raises:
        UserError: a stored turn contradicts itself (an action on an item that was not shown).
    """
    ordered = latest(sessions)
    rows = _Rows()
    for number, session in enumerate(ordered):
        rows.add(number, session)
    return _tables(ordered, rows)


class _Rows:
    """Columns under construction: plain arrays, since a frame cannot grow cheaply."""

    def __init__(self) -> None:
        self.session = array("q")  # of each turn
        self.page = array("q")
        self.width = array("q")
        self.answered = array("b")
        self.cause: list[str | None] = []
        self.reason: list[str | None] = []
        self.satisfaction = array("d")
        self.p_leave = array("d")
        self.reviews = array("q")
        self.ungrounded = array("q")
        self.items: list[str] = []  # of each exposure, as all below
        self.p_click = array("d")
        self.p_purchase = array("d")
        self.e_stars = array("d")
        self.propensity = array("d")
        self.clicks = array("q")  # exposure rows
        self.purchases: list[tuple[int, float]] = []
        self.ratings: list[tuple[int, float]] = []

    def add(self, number: int, session: Session) -> None:
        for turn in session.turns:
            where = f"session {session.key}, page {turn.page}"
            start, outcome = len(self.items), turn.outcome
            self._show(turn.slate, where)
            self.session.append(number)
            self.page.append(turn.page)
            self.width.append(len(self.items) - start)
            if isinstance(outcome, Failure):
                self._fail(outcome, len(self.items) - start)
            else:
                self._answer(outcome, turn.slate, start, where)

    def _show(self, slate: Slate | None, where: str) -> None:
        if slate is None:
            return
        self.items.extend(slate.item_ids)
        if slate.propensities is None:
            self.propensity.extend([np.nan] * len(slate.item_ids))
        else:
            _same_length(slate.propensities, slate.item_ids, "propensities", where)
            self.propensity.extend(slate.propensities)

    def _fail(self, failure: Failure, width: int) -> None:
        self.answered.append(0)
        self.cause.append(failure.cause.value)
        self.reason.append(None)
        self.satisfaction.append(np.nan)
        self.p_leave.append(np.nan)
        self.reviews.append(0)
        self.ungrounded.append(0)
        for column in (self.p_click, self.p_purchase, self.e_stars):
            column.extend([np.nan] * width)

    def _answer(self, response: Response, slate: Slate | None, start: int, where: str) -> None:
        ids = slate.item_ids if slate else ()
        self.answered.append(1)
        self.cause.append(None)
        self.satisfaction.append(response.satisfaction)
        self.p_leave.append(np.nan if response.p_leave is None else response.p_leave)
        if response.odds is None:
            for column in (self.p_click, self.p_purchase, self.e_stars):
                column.extend([np.nan] * len(ids))
        else:
            _same_length(response.odds, ids, "odds", where)
            self.p_click.extend([o.click for o in response.odds])
            self.p_purchase.extend([o.purchase for o in response.odds])
            self.e_stars.extend([np.nan if o.stars is None else o.stars for o in response.odds])
        self._act(response, ids, start, where)

    def _act(self, response: Response, ids: Sequence[str], start: int, where: str) -> None:
        row_of = {item_id: start + slot for slot, item_id in enumerate(ids)}
        reason, reviews, ungrounded = None, 0, 0
        try:
            for action in response.actions:
                match action:
                    case Click(item_id):
                        self.clicks.append(row_of[item_id])
                    case Purchase(item_id, price):
                        self.purchases.append((row_of[item_id], price))
                    case Rate(item_id, stars):
                        self.ratings.append((row_of[item_id], stars))
                    case Review(_, _, grounded):
                        reviews += 1
                        ungrounded += not grounded
                    case Leave(why):
                        reason = why.value
        except KeyError as error:
            raise UserError(
                f"{where}: an action names item {error.args[0]!r}, which this page did not show. "
                "The user's agent must only act on the slate it was given."
            ) from error
        self.reason.append(reason)
        self.reviews.append(reviews)
        self.ungrounded.append(ungrounded)


def _same_length(values: Sequence[object], ids: Sequence[str], what: str, where: str) -> None:
    if len(values) != len(ids):
        raise UserError(f"{where}: {len(values)} {what} for {len(ids)} items; expected one each.")


def _tables(ordered: Sequence[Session], rows: _Rows) -> Tables:
    keys = pd.DataFrame(
        {
            "audience": pd.Categorical([s.key.audience for s in ordered]),
            "arm": pd.Categorical([s.key.arm for s in ordered]),
            "user_id": pd.Categorical([s.key.user_id for s in ordered]),
            "round": np.array([s.key.round for s in ordered], np.int64),
        }
    )
    ends = [s.end.value for s in ordered]
    sessions = keys.assign(
        end=pd.Categorical(ends, [e.value for e in SessionEnd]),
        attempt=np.array([s.attempt for s in ordered], np.int64),
    )
    session = np.array(rows.session, np.int64)
    page = np.array(rows.page, np.int64)
    answered = np.array(rows.answered, bool)
    turns = keys.take(session).reset_index(drop=True)
    turns = turns.assign(
        page=page,
        answered=answered,
        cause=pd.Categorical(rows.cause, [c.value for c in FailureCause]),
        satisfaction=np.array(rows.satisfaction, np.float64),
        p_leave=np.array(rows.p_leave, np.float64),
        leave_reason=pd.Categorical(rows.reason, [r.value for r in LeaveReason]),
        reviews=np.array(rows.reviews, np.int64),
        ungrounded=np.array(rows.ungrounded, np.int64),
    )
    width = np.array(rows.width, np.int64)
    turn = np.repeat(np.arange(len(width)), width)
    n = len(turn)
    clicked = np.zeros(n, bool)
    clicked[np.array(rows.clicks, np.int64)] = True
    exposures = keys.take(session[turn]).reset_index(drop=True)
    exposures = exposures.assign(
        page=page[turn],
        slot=np.arange(n) - np.repeat(np.cumsum(width) - width, width) + 1,
        item_id=pd.Categorical(rows.items),
        answered=answered[turn],
        clicked=clicked,
        purchased=~np.isnan(price := _summed(rows.purchases, n)),
        price=price,
        stars=_last(rows.ratings, n),
        p_click=np.array(rows.p_click, np.float64),
        p_purchase=np.array(rows.p_purchase, np.float64),
        e_stars=np.array(rows.e_stars, np.float64),
        propensity=np.array(rows.propensity, np.float64),
        turn=turn,
    )
    return Tables(exposures, turns, sessions)


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
