"""The calibrated behaviour model: probabilities of what a user does with a page, then a draw.

P(engage | user, item, page) = sigmoid(theta . f): the taste model's score, item statistics and
user habits from the calibration users, the language model's opinion where there is one, and the
assumed parts (slot, fatigue, price change) that a log without pages cannot identify.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.domain import Domain
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import (
    Action,
    Click,
    Interaction,
    Leave,
    NextPage,
    Purchase,
    Rate,
    Response,
    Slate,
    SlotOdds,
)

from .assumed import Assumed
from .choice import Choice, sigmoid
from .decide import leave_reason
from .features import CHOICE, SIGNALS, FeatureSpace
from .folded import FoldedUsers, fold
from .memory import FATIGUE_PER_PAGE, SATISFACTION_WEIGHT, Memory, Mood, mood
from .pages import Pages
from .stars import Stars
from .user_side import Nearness, UserSide

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MAX_CLICK = 0.95
# What a click is worth to the page's satisfaction where nobody rates: assumed.
CLICK_WORTH, PURCHASE_WORTH = 0.5, 0.8
_NEXT = NextPage()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the model thinks of (user, item) pairs before any page is shown: arrays (n,).

    Attributes:
        log_odds: of engagement, without what is assumed of pages (slot, fatigue, repetition).
        stars: expected stars, in [1, 5]; star_chances: (n, 5) of 1 ... 5. None without ratings.
    """

    log_odds: Floats
    stars: Floats | None
    star_chances: Floats | None


@dataclass(frozen=True, slots=True)
class BehaviourModel:
    """Fitted on calibration users by `fit_behaviour`.

    Attributes:
        stars: None where the data has no ratings.
        calibration_users: how many users theta was learned from.
        auc, popularity_auc: how well the model, and popularity alone, tell what a calibration user
            went on to take from what the user did not, among new and equally popular items: mean
            within-user area under the ROC curve, statistics cross-fitted; NaN if no user has both.
    """

    domain: Domain
    space: FeatureSpace
    choice: Choice
    stars: Stars | None
    assumed: Assumed
    calibration_users: int
    auc: float = math.nan
    popularity_auc: float = math.nan

    def respond(
        self,
        slates: Sequence[Slate],
        visits: Sequence[Visit],
        memories: Sequence[Memory | Mood],
        users: FoldedUsers,
        opinion_log_odds: Floats | None = None,
        opinion_star_log_odds: Floats | float = 0.0,
    ) -> list[Response]:
        """Probabilities and draws for many pages at once, each as if it were alone.

        Args:
            users: folded in by this model's feature space.
            opinion_log_odds: what the language model's opinion adds, one number a slot of all
                pages in a row, or None.
            opinion_star_log_odds: the same, to the log-odds of more than 1, 2, 3, 4 stars.
        """
        if not slates:
            return []
        ids = list(dict.fromkeys(visit.user_id for visit in visits))
        row_of = {user_id: row for row, user_id in enumerate(ids)}
        folded = users.of(ids)
        position, priced = self.space.index.position, not np.isnan(self.space.log_price).all()
        pages = Pages.of(slates, visits, memories, row_of, position, priced=bool(priced))
        near = self.space.nearness(folded, pages.users, pages.items)
        log_odds = self.choice.log_odds(self.space.choice(folded, pages.users, pages.items, near))
        log_odds = log_odds + self._assumed(pages)
        if opinion_log_odds is not None:
            log_odds = log_odds + opinion_log_odds
        slots = self._slots(pages, folded, near, sigmoid(log_odds), opinion_star_log_odds)
        satisfaction = 1 - np.multiply.reduceat(1 - slots.worth(), pages.starts)
        fatigue = np.array([m.fatigue + (1 - m.fatigue) * FATIGUE_PER_PAGE for m in memories])
        p_leave = self._p_leave(memories, satisfaction, fatigue)
        return _responses(pages, slots, satisfaction, fatigue, p_leave)

    def judge(
        self, histories: Sequence[Sequence[Interaction]], rows: Integers, items: Integers
    ) -> Judgement:
        """What it thinks of pairs: user `rows[i]` of `histories`, item at position `items[i]`."""
        users = fold(self.space, histories)
        log_odds = self.choice.log_odds(self.space.choice(users, rows, items))
        if self.stars is None:
            return Judgement(log_odds, None, None)
        features = self.space.rating(users, rows, items)
        above = np.hstack((np.ones((len(rows), 1)), self.stars.above(features)))
        chances = -np.diff(above, axis=1, append=0.0)
        return Judgement(log_odds, self.stars.expected(features), chances)

    def signals(
        self, histories: Sequence[Sequence[Interaction]], rows: Integers, items: Integers
    ) -> Mapping[str, Floats]:
        """Each thing the choice model looks at, alone: name -> a number a pair."""
        features = self.space.choice(fold(self.space, histories), rows, items)
        return {name: features[:, CHOICE.index(name)] for name in SIGNALS}

    def _assumed(self, pages: Pages) -> Floats:
        """Log-odds of slots that the log does not identify."""
        a = self.assumed
        dearer = np.nan_to_num(pages.log_price - self.space.log_price[pages.items])
        return np.asarray(
            -a.slot * np.log2(pages.slot)
            - a.fatigue * pages.fatigue
            - a.repeat_shown * pages.nth.astype(np.float64)
            - a.elasticity * dearer
        )

    def _slots(
        self,
        pages: Pages,
        users: UserSide,
        near: Nearness,
        engage: Floats,
        star_log_odds: Floats | float,
    ) -> _Slots:
        """Probabilities of slots from those of engagement, and their draws."""
        click, purchase = engage, np.zeros_like(engage)
        if self.domain.has_prices:
            click = np.minimum(MAX_CLICK, engage / self.assumed.conversion)
            purchase = np.minimum(engage, click)
        clicked = pages.draw("click") < click
        bought = clicked & (pages.draw("purchase") * click < purchase)
        if self.stars is None:
            return _Slots(click, purchase, clicked, bought)
        features = self.space.rating(users, pages.users, pages.items, near)
        stars = self.stars.draw(features, pages.draw("stars"), star_log_odds)
        expected = self.stars.expected(features, star_log_odds)
        return _Slots(click, purchase, clicked, bought, stars, expected)

    def _p_leave(
        self, memories: Sequence[Memory | Mood], satisfaction: Floats, fatigue: Floats
    ) -> Floats:
        """Probability of leaving after pages of this satisfaction, with this fatigue after them."""
        a = self.assumed
        before = np.array([memory.satisfaction for memory in memories])
        running = before + SATISFACTION_WEIGHT * (satisfaction - before)
        return sigmoid(
            a.leave + a.leave_fatigue * fatigue + a.leave_dissatisfaction * (0.5 - running)
        )


@dataclass(frozen=True, slots=True)
class _Slots:
    """What is expected of every slot of some pages, and what was drawn."""

    click: Floats
    purchase: Floats
    clicked: NDArray[np.bool_]
    bought: NDArray[np.bool_]
    stars: Floats | None = None
    expected_stars: Floats | None = None

    def worth(self) -> Floats:
        """What each slot adds to satisfaction with its page, in [0, 1]."""
        if self.stars is not None:
            return np.where(self.clicked, (self.stars - 1) / 4, 0.0)
        return np.where(self.bought, PURCHASE_WORTH, np.where(self.clicked, CLICK_WORTH, 0.0))

    def odds(self) -> list[SlotOdds]:
        click, purchase = self.click.tolist(), self.purchase.tolist()
        if self.expected_stars is None:
            return list(map(SlotOdds, click, purchase))
        return list(map(SlotOdds, click, purchase, self.expected_stars.tolist()))

    def actions(self, pages: Pages) -> list[list[Action]]:
        """What is done on each page, slot by slot. Nothing is bought that was not clicked."""
        done: list[list[Action]] = [[] for _ in pages.visits]
        for slot in np.flatnonzero(self.clicked).tolist():
            page, item_id = pages.page[slot], pages.ids[slot]
            done[page].append(Click(item_id))
            if self.bought[slot]:
                price = pages.visits[page].catalog[item_id].price
                done[page].append(Purchase(item_id, price or 0.0))
            if self.stars is not None:
                done[page].append(Rate(item_id, float(self.stars[slot])))
        return done


def _responses(
    pages: Pages, slots: _Slots, satisfaction: Floats, fatigue: Floats, p_leave: Floats
) -> list[Response]:
    """One a page; all but `slots` are arrays of pages, `fatigue` as it is after the page."""
    actions, odds = slots.actions(pages), slots.odds()
    ends = [*pages.starts[1:].tolist(), len(odds)]
    leaves = (pages.draw_leave() < p_leave).tolist()
    return [
        Response(
            (*done, Leave(leave_reason(pleased, tired)) if left else _NEXT),
            pleased,
            tuple(odds[start:end]),
            p_leave=chance,
        )
        for done, start, end, pleased, tired, left, chance in zip(
            actions, pages.starts.tolist(), ends, satisfaction.tolist(), fatigue.tolist(),
            leaves, p_leave.tolist(), strict=True,
        )
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class StatisticalUser:
    """The behaviour model alone as a vectorised user, without a language model."""

    model: BehaviourModel
    history: Callable[[str], Sequence[Interaction]]
    users: FoldedUsers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", FoldedUsers(self.model.space, self.history))

    def respond_many(self, slates: Sequence[Slate], visits: Sequence[Visit]) -> list[Response]:
        """One response a page; a page's response does not depend on the others."""
        moods = [mood(visit.past, visit.turns) for visit in visits]
        return self.model.respond(slates, visits, moods, self.users)
