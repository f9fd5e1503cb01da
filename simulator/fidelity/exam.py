"""Questions whose answers are known, and what somebody answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Exam:
    """What test users were shown and what they did with it: arrays of one entry a question, (n,).

    The questions of a page are contiguous, and so are the pages of a user.

    Attributes:
        user_ids, item_ids: what the rows and positions stand for.
        users: row into `user_ids`. items: position in `item_ids`. pages: page number, rising.
        taken: whether the user engaged with the item.
        stars: stars the user gave, in [1, 5]; NaN where there are none.
        popularity: log of the share of users who had the item, test users not counted; where the
            log holds what was shown, of those who were shown it.
        slots: 1-based position on the page as it was shown; NaN where the log does not know.
        offset: log-odds to add to a calibrated log-odds of engagement, because not all that was
            not taken is asked about: -log of the rate at which it is (King and Zeng 2001). 0 where
            the log holds all that was shown.
    """

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    users: Integers
    items: Integers
    pages: Integers
    taken: Booleans
    stars: Floats
    popularity: Floats
    slots: Floats
    offset: Floats

    def __len__(self) -> int:
        return len(self.users)

    def only(self, kept: Booleans) -> Exam:
        """The questions where `kept` is true, (n,)."""
        return replace(
            self,
            users=self.users[kept],
            items=self.items[kept],
            pages=self.pages[kept],
            taken=self.taken[kept],
            stars=self.stars[kept],
            popularity=self.popularity[kept],
            slots=self.slots[kept],
            offset=self.offset[kept],
        )


@dataclass(frozen=True, slots=True)
class Answers:
    """What a simulator says to the questions of an exam: arrays of one entry a question.

    Attributes:
        log_odds: (n,) of engagement among all there is; may be infinite. Where a simulator only
            ranks (`calibrated` is false) any number that grows with the wish for the item.
        stars: (n,) expected stars if the user rates the item, in [1, 5]; NaN if it cannot say.
        star_chances: (n, 5) probabilities of 1, 2, 3, 4, 5 stars, or None if it cannot say.
        failed: (n,) questions without an answer; their numbers are NaN. shown = answered + failed.
    """

    log_odds: Floats
    stars: Floats
    star_chances: Floats | None
    failed: Booleans
    calibrated: bool = True

    @classmethod
    def of(
        cls,
        log_odds: Floats,
        stars: Floats | None = None,
        star_chances: Floats | None = None,
        *,
        calibrated: bool = True,
    ) -> Answers:
        """Answers to everything."""
        n = len(log_odds)
        return cls(
            log_odds=log_odds,
            stars=np.full(n, np.nan) if stars is None else stars,
            star_chances=star_chances,
            failed=np.zeros(n, dtype=bool),
            calibrated=calibrated,
        )

    def __len__(self) -> int:
        return len(self.log_odds)

    def only(self, kept: Booleans) -> Answers:
        """The answers where `kept` is true, (n,)."""
        return replace(
            self,
            log_odds=self.log_odds[kept],
            stars=self.stars[kept],
            star_chances=None if self.star_chances is None else self.star_chances[kept],
            failed=self.failed[kept],
        )

    def ranks(self, exam: Exam) -> Floats:
        """Numbers that order the questions by how likely they are taken, (n,).

        Of probabilities those in the exam, where not all that was not taken is asked about: what
        is rare is asked about more often than it is taken. Of a simulator that only ranks, its own.
        """
        return self.log_odds + exam.offset if self.calibrated else self.log_odds

    def chance(self, exam: Exam) -> Floats:
        """Probability of engagement among what the exam asks, (n,), in [0, 1]."""
        return np.asarray(0.5 * (1 + np.tanh(0.5 * (self.log_odds + exam.offset))))
