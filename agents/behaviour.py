"""The calibrated behaviour model: probabilities of what a user does with a page, then a draw.

P(engage | user, item, page) = sigmoid(theta . f): the taste model's score, item statistics and
user habits from the calibration users, the language model's opinion where there is one, and the
assumed parts (slot, fatigue, price change) that a log without pages cannot identify.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.domain import Domain
from focusgroup.simulator.noise import item_uniforms, key_of, leave_uniforms
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import (
    Action,
    Click,
    Event,
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
from .features import FeatureSpace
from .memory import FATIGUE_PER_PAGE, SATISFACTION_WEIGHT, Memory, remember
from .stars import Stars

Floats = NDArray[np.float64]
MAX_CLICK = 0.95
# What a click is worth to the page's satisfaction where nobody rates: assumed.
CLICK_WORTH, PURCHASE_WORTH = 0.5, 0.8


@dataclass(frozen=True, slots=True)
class BehaviourModel:
    """Fitted on calibration users by `fit_behaviour`.

    Attributes:
        stars: None where the data has no ratings.
        calibration_users: how many users theta was learned from.
    """

    domain: Domain
    space: FeatureSpace
    choice: Choice
    stars: Stars | None
    assumed: Assumed
    calibration_users: int

    def respond(
        self,
        slates: Sequence[Slate],
        visits: Sequence[Visit],
        memories: Sequence[Memory],
        history: Callable[[str], Sequence[Interaction]],
        opinion_log_odds: Floats | None = None,
    ) -> list[Response]:
        """Probabilities and draws for many pages at once, each as if it were alone.

        Args:
            history: a user's log interactions.
            opinion_log_odds: what the language model's opinion adds, one number a slot of all
                pages in a row, or None.
        """
        ids = list(dict.fromkeys(visit.user_id for visit in visits))
        row_of = {user_id: row for row, user_id in enumerate(ids)}
        histories = [history(user_id) for user_id in ids]
        users = self.space.users(
            [[(i.item_id, _weight(i)) for i in h] for h in histories],
            [[(i.item_id, i.value) for i in h if i.event is Event.RATE] for h in histories],
        )
        page = _Pages.of(slates, visits, memories, row_of, self.space)
        log_odds = self.choice.log_odds(self.space.choice(users, page.users, page.items))
        log_odds = log_odds + self._assumed(page)
        if opinion_log_odds is not None:
            log_odds = log_odds + opinion_log_odds
        engage = sigmoid(log_odds)
        if self.domain.has_prices:
            click = np.minimum(MAX_CLICK, engage / self.assumed.conversion)
            purchase = np.minimum(engage, click)
        else:
            click, purchase = engage, np.zeros_like(engage)
        clicked = page.draw("click") < click
        bought = clicked & (page.draw("purchase") * click < purchase)
        stars = expected = None
        if self.stars is not None:
            features = self.space.rating(users, page.users, page.items)
            expected = self.stars.expected(features)
            stars = self.stars.draw(features, page.draw("stars"))
        return self._responses(slates, visits, memories, page, click, purchase, clicked, bought,
                               stars, expected)  # fmt: skip

    def _assumed(self, page: _Pages) -> Floats:
        a = self.assumed
        reference = self.space.log_price[page.items]
        dearer = np.nan_to_num(page.log_price - reference)
        return np.asarray(
            -a.slot * np.log2(page.slots)
            - a.fatigue * page.fatigue
            - a.repeat_shown * page.nth.astype(np.float64)
            - a.elasticity * dearer
        )

    def _responses(
        self,
        slates: Sequence[Slate],
        visits: Sequence[Visit],
        memories: Sequence[Memory],
        page: _Pages,
        click: Floats,
        purchase: Floats,
        clicked: NDArray[np.bool_],
        bought: NDArray[np.bool_],
        stars: Floats | None,
        expected: Floats | None,
    ) -> list[Response]:
        if stars is not None:
            worth = np.where(clicked, (stars - 1) / 4, 0.0)
        else:
            worth = np.where(bought, PURCHASE_WORTH, np.where(clicked, CLICK_WORTH, 0.0))
        dissatisfied = np.multiply.reduceat(1 - worth, page.starts)
        satisfaction = 1 - dissatisfied
        before = np.array([memory.satisfaction for memory in memories])
        running = before + SATISFACTION_WEIGHT * (satisfaction - before)
        fatigue = np.array([m.fatigue + (1 - m.fatigue) * FATIGUE_PER_PAGE for m in memories])
        a = self.assumed
        p_leave = sigmoid(
            a.leave + a.leave_fatigue * fatigue + a.leave_dissatisfaction * (0.5 - running)
        )
        draws = leave_uniforms(
            np.array([v.noise.key for v in visits], np.uint64),
            np.array([v.page for v in visits], np.uint64),
        )
        leaves = draws < p_leave
        responses = []
        for n, (slate, visit) in enumerate(zip(slates, visits, strict=True)):
            start = int(page.starts[n])
            actions: list[Action] = []
            odds = []
            for slot, item_id in enumerate(slate.item_ids, start=start):
                mean = None if expected is None else float(expected[slot])
                odds.append(SlotOdds(float(click[slot]), float(purchase[slot]), mean))
                if clicked[slot]:
                    actions.append(Click(item_id))
                if bought[slot]:
                    actions.append(Purchase(item_id, visit.catalog[item_id].price or 0.0))
                if clicked[slot] and stars is not None:
                    actions.append(Rate(item_id, float(stars[slot])))
            pleased = float(satisfaction[n])
            last = Leave(leave_reason(pleased, float(fatigue[n]))) if leaves[n] else NextPage()
            responses.append(
                Response((*actions, last), pleased, tuple(odds), p_leave=float(p_leave[n]))
            )
        return responses


@dataclass(frozen=True, slots=True)
class _Pages:
    """The slots of many pages in a row, one entry a slot; `starts` one entry a page."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    item_keys: NDArray[np.uint64]
    visit_keys: NDArray[np.uint64]
    nth: NDArray[np.uint64]
    slots: Floats
    fatigue: Floats
    log_price: Floats
    starts: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        slates: Sequence[Slate],
        visits: Sequence[Visit],
        memories: Sequence[Memory],
        row_of: dict[str, int],
        space: FeatureSpace,
    ) -> _Pages:
        sizes = np.array([len(slate.item_ids) for slate in slates])
        ids = [item_id for slate in slates for item_id in slate.item_ids]
        prices = [
            v.catalog[i].price or np.nan
            for s, v in zip(slates, visits, strict=True)
            for i in s.item_ids
        ]
        return cls(
            users=np.repeat([row_of[v.user_id] for v in visits], sizes),
            items=np.array([space.index.position[i] for i in ids], dtype=np.int64),
            item_keys=np.fromiter((key_of(i) for i in ids), np.uint64, len(ids)),
            visit_keys=np.repeat(np.array([v.noise.key for v in visits], np.uint64), sizes),
            nth=np.fromiter(
                (m.shown[i] for s, m in zip(slates, memories, strict=True) for i in s.item_ids),
                np.uint64,
                len(ids),
            ),
            slots=np.concatenate([np.arange(1.0, size + 1) for size in sizes]),
            fatigue=np.repeat([memory.fatigue for memory in memories], sizes),
            log_price=np.log(np.array(prices, dtype=np.float64)),
            starts=np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64),
        )

    def draw(self, event: str) -> Floats:
        return item_uniforms(self.visit_keys, self.item_keys, event, self.nth)


@dataclass(frozen=True, slots=True)
class StatisticalUser:
    """The behaviour model alone as a vectorised user, without a language model."""

    model: BehaviourModel
    history: Callable[[str], Sequence[Interaction]]

    def respond_many(self, slates: Sequence[Slate], visits: Sequence[Visit]) -> list[Response]:
        """One response a page; a page's response does not depend on the others."""
        memories = [remember(visit.past, visit.turns) for visit in visits]
        return self.model.respond(slates, visits, memories, self.history)


def _weight(interaction: Interaction) -> float:
    return interaction.value if interaction.event is Event.PURCHASE else 1.0
