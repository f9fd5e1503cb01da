"""Columns of a run while its sessions come in, in whatever order: none is kept whole."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from enum import Enum

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

Rows = NDArray[np.int64]


class Texts:
    """A column of strings, each kept once however often it comes."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._rows = array("i")

    def append(self, text: str) -> None:
        self._rows.append(self._codes.setdefault(text, len(self._codes)))

    def __len__(self) -> int:
        return len(self._rows)

    def taken(self, rows: Rows) -> pd.Categorical:
        """These rows; the categories are what they hold, sorted."""
        used, codes = np.unique(np.array(self._rows)[rows], return_inverse=True)
        known = list(self._codes)
        texts = [known[code] for code in used]
        order = sorted(range(len(texts)), key=texts.__getitem__)
        place = np.empty(len(texts), np.int64)
        place[order] = np.arange(len(texts))
        return pd.Categorical.from_codes(place[codes], pd.Index([texts[n] for n in order]))


class Choices:
    """A column of members of an enumeration, or nothing."""

    def __init__(self, kind: type[Enum]) -> None:
        self._codes = {member: code for code, member in enumerate(kind)}
        self._rows = array("b")

    def append(self, member: Enum | None) -> None:
        self._rows.append(-1 if member is None else self._codes[member])

    def taken(self, rows: Rows) -> pd.Categorical:
        """These rows; the categories are the values of all members."""
        return pd.Categorical.from_codes(
            np.array(self._rows)[rows], pd.Index([member.value for member in self._codes])
        )


class Growing:
    """Sessions, turns and exposures so far; plain arrays, since a frame cannot grow cheaply."""

    def __init__(self) -> None:
        self.newest: dict[SessionKey, int] = {}  # its number among those below
        self.audience, self.arm, self.user_id = Texts(), Texts(), Texts()
        self.round = array("q")
        self.attempt = array("q")
        self.end = Choices(SessionEnd)
        self.pages = array("q")  # of each session
        self.page = array("q")  # of each turn, as all below
        self.width = array("q")
        self.answered = array("b")
        self.cause = Choices(FailureCause)
        self.reason = Choices(LeaveReason)
        self.satisfaction = array("d")
        self.p_leave = array("d")
        self.reviews = array("q")
        self.ungrounded = array("q")
        self.items = Texts()  # of each exposure, as all below
        self.p_click = array("d")
        self.p_purchase = array("d")
        self.e_stars = array("d")
        self.propensity = array("d")
        self.clicks = array("q")  # exposure rows
        self.purchases: list[tuple[int, float]] = []
        self.ratings: list[tuple[int, float]] = []

    def add(self, session: Session) -> None:
        """Raises UserError: a turn contradicts itself."""
        key, number = session.key, len(self.attempt)
        known = self.newest.get(key)
        if known is None or session.attempt >= self.attempt[known]:
            self.newest[key] = number
        self.audience.append(key.audience)
        self.arm.append(key.arm)
        self.user_id.append(key.user_id)
        self.round.append(key.round)
        self.attempt.append(session.attempt)
        self.end.append(session.end)
        self.pages.append(len(session.turns))
        for turn in session.turns:
            where = f"session {key}, page {turn.page}"
            start, outcome = len(self.items), turn.outcome
            self._show(turn.slate, where)
            self.page.append(turn.page)
            self.width.append(len(self.items) - start)
            if isinstance(outcome, Failure):
                self._fail(outcome, len(self.items) - start)
            else:
                self._answer(outcome, turn.slate, start, where)

    def _show(self, slate: Slate | None, where: str) -> None:
        if slate is None:
            return
        for item_id in slate.item_ids:
            self.items.append(item_id)
        if slate.propensities is None:
            self.propensity.extend([np.nan] * len(slate.item_ids))
        else:
            _same_length(slate.propensities, slate.item_ids, "propensities", where)
            self.propensity.extend(slate.propensities)

    def _fail(self, failure: Failure, width: int) -> None:
        self.answered.append(0)
        self.cause.append(failure.cause)
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
                        reason = why
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
