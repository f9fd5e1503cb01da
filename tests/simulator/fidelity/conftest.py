"""A planted world: users whose tastes, chances and reactions are all known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import expit, ndtr

from focusgroup.simulator.fidelity import Answers, Exam

ATTRIBUTES = 6
PAGE = 10
CUTS = np.array([-1.5, -0.6, 0.2, 1.1])  # of the latent liking, between 1 | 2 | 3 | 4 | 5 stars
RATING_NOISE = 0.9
LIKING_WEIGHT = 0.8
TASTE_WEIGHT = {True: 1.6, False: 1.5}  # on the log-odds of engagement, by `shown`


@dataclass(frozen=True)
class Opinions:
    """What somebody thinks of (user, item): in standard deviations, (users, items) each.

    `taste` is personal; `item` is the same for every user; `user` for every item, (users, 1).
    """

    taste: np.ndarray
    item: np.ndarray
    user: np.ndarray


@dataclass(frozen=True)
class World:
    """Real users, the exam they are asked in, and simulators with one planted defect each.

    Attributes:
        shown: whether the log holds all that was shown (offset 0, everything rated); else an exam
            of what was taken among equally popular items that were not.
        truth: what the real users think.
        signal: (n,), how well an item suits the person, known with error from the history.
        attributes: (items, ATTRIBUTES), what the items are.
    """

    shown: bool
    truth: Opinions
    exam: Exam
    signal: np.ndarray
    attributes: np.ndarray
    seed: int

    def rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *name.encode()])

    def log_odds(self, opinions: Opinions, popularity_weight: float = 1.0) -> np.ndarray:
        """Of engagement among all there is, (n,)."""
        return _log_odds(opinions, self.truth.item, popularity_weight, self.shown)[
            self.exam.users, self.exam.items
        ]

    def answers(self, opinions: Opinions, *, shift=0.0, stars_shift=0.0, **how) -> Answers:
        """Of users who act on these opinions as the real ones act on theirs."""
        chances = _star_chances(_liking(opinions) + stars_shift)
        chances = chances[self.exam.users, self.exam.items]
        return Answers.of(
            self.log_odds(opinions, **how) + shift, chances @ np.arange(1, 6), chances
        )

    def oracle(self) -> Answers:
        """The true probabilities: nobody can know more."""
        return self.answers(self.truth)

    def recorded(self) -> Answers:
        """The real reactions themselves, certain."""
        sure = np.where(self.exam.taken, np.inf, -np.inf)
        rated = np.where(np.isnan(self.exam.stars), 3.0, self.exam.stars)
        return Answers.of(sure, rated, (rated[:, None] == np.arange(1, 6)).astype(float))

    def correlated(self, r: float, *, shared: bool = False) -> Opinions:
        """Opinions whose correlation with the true taste, within a user, is r.

        Args:
            shared: half of what is wrong is the same for all users: a bias towards items.
        """
        taste = self.truth.taste
        noise = self.rng("noise").standard_normal(taste.shape)
        if shared:
            item = self.rng("shared").standard_normal(taste.shape[1])
            noise = np.sqrt(0.5) * noise + np.sqrt(0.5) * item
        return replace(self.truth, taste=r * taste + taste.std() * np.sqrt(1 - r**2) * noise)

    def modest(self, r: float) -> Answers:
        """Opinions that correlate with r, counted on only as far as they are right.

        Probabilities given what it knows: the taste it does not know is integrated out (a logistic
        is nearly a normal of deviation 1.7).
        """
        seen = self.correlated(r)
        known = replace(seen, taste=r * seen.taste)
        rest = self.truth.taste.std() * np.sqrt(1 - r**2)
        wider = np.sqrt(1 + (TASTE_WEIGHT[self.shown] * rest / 1.7) ** 2)
        noise = np.hypot(RATING_NOISE, LIKING_WEIGHT * rest)
        chances = _star_chances(_liking(known), noise)[self.exam.users, self.exam.items]
        return Answers.of(self.log_odds(known) / wider, chances @ np.arange(1, 6), chances)

    def with_favourites(self, size: float) -> Opinions:
        """The truth, but that some items are liked better, and others less, whoever is asked."""
        liked = size * self.rng("favourites").standard_normal(self.truth.taste.shape[1])
        return replace(self.truth, taste=self.truth.taste + liked)

    def exchanged(self, opinions: Opinions) -> Opinions:
        """Every user with the persona of the next one."""
        return replace(
            opinions, taste=np.roll(opinions.taste, 1, axis=0), user=np.roll(opinions.user, 1)
        )

    def average(self) -> Opinions:
        """Everybody is the average user."""
        return replace(
            self.truth,
            taste=np.zeros_like(self.truth.taste),
            user=np.zeros_like(self.truth.user),
        )

    def biases(self) -> Answers:
        """Popularity, user and item bias, and no taste: what any simulator has to beat."""
        blind = self.answers(replace(self.truth, taste=np.zeros_like(self.truth.taste)))
        # Where only what was taken is rated, ratings are higher than opinions: biases know that.
        higher = np.nanmean(self.exam.stars - blind.stars)
        return Answers.of(blind.log_odds, np.clip(blind.stars + higher, 1, 5))

    def popularity(self) -> Answers:
        """What items alone tell."""
        return self.answers(self.average())

    def by_place(self, effect: float) -> Answers:
        """The oracle, drawn to what stands first on a page."""
        place = np.arange(len(self.exam)) - np.searchsorted(self.exam.pages, self.exam.pages)
        oracle = self.oracle()
        return replace(oracle, log_odds=oracle.log_odds - effect * (place - (PAGE - 1) / 2))

    def fours(self) -> Answers:
        """The oracle, if it gave nothing but threes and fours."""
        oracle = self.oracle()
        chances = np.zeros((len(self.exam), 5))
        high = np.clip((oracle.stars - 2) / 2, 0, 1)
        chances[:, 3], chances[:, 2] = high, 1 - high
        return replace(oracle, stars=3 + high, star_chances=chances)


def _liking(opinions: Opinions) -> np.ndarray:
    return LIKING_WEIGHT * opinions.taste + 0.5 * opinions.item + 0.5 * opinions.user


def _star_chances(liking: np.ndarray, noise: float = RATING_NOISE) -> np.ndarray:
    above = 1 - ndtr((CUTS - liking[..., None]) / noise)
    return -np.diff(above, axis=-1, prepend=1.0, append=0.0)


def _log_odds(opinions: Opinions, popular: np.ndarray, weight: float, shown: bool) -> np.ndarray:
    taste = TASTE_WEIGHT[shown] * opinions.taste
    if shown:
        return taste + 0.8 * opinions.item + 0.8 * opinions.user - 0.4
    return taste + 0.9 * weight * popular + 0.6 * opinions.user - 3.5


@pytest.fixture(scope="session")
def planted():
    """Makes a planted world: planted(shown=..., users=..., items=..., seed=...)."""
    return _planted


def _planted(*, shown: bool, users: int = 240, items: int = 240, seed: int = 1) -> World:
    rng = np.random.default_rng(seed)
    people = rng.standard_normal((users, ATTRIBUTES)) / np.sqrt(ATTRIBUTES)
    things = rng.standard_normal((items, ATTRIBUTES))
    truth = Opinions(
        taste=people @ things.T,
        item=rng.standard_normal(items),
        user=rng.standard_normal((users, 1)),
    )
    log_odds = _log_odds(truth, truth.item, 1.0, shown)
    popular = np.log(expit(log_odds).mean(axis=0))
    taken = rng.random((users, items)) < expit(log_odds)
    stars = 1.0 + (rng.random((users, items, 1)) < np.cumsum(
        _star_chances(_liking(truth))[..., ::-1], axis=-1)[..., :-1]).sum(axis=-1)  # fmt: skip
    offset = np.zeros((users, items))
    asked = np.ones((users, items), bool)
    if not shown:
        # Three that were not taken to one that was, in each of twelve bins of popularity.
        of_item = np.searchsorted(np.quantile(popular, np.linspace(0, 1, 13)[1:-1]), popular)
        yes, no = (np.bincount(of_item, kind.sum(axis=0)) for kind in (taken, ~taken))
        rate = np.clip(3 * yes / no, 0.0, 1.0)[of_item]
        asked = taken | (rng.random((users, items)) < rate)
        offset = np.broadcast_to(-np.log(rate), offset.shape)
    rows, columns = np.nonzero(asked)
    order = np.lexsort((rng.random(len(rows)), rows))
    rows, columns = rows[order], columns[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    rated = stars[rows, columns]
    exam = Exam(
        user_ids=tuple(f"u{n}" for n in range(users)),
        item_ids=tuple(f"i{n}" for n in range(items)),
        users=rows,
        items=columns,
        pages=np.cumsum(place % PAGE == 0) - 1,
        taken=taken[rows, columns],
        stars=rated if shown else np.where(taken[rows, columns], rated, np.nan),
        popularity=popular[columns],
        slots=np.full(len(rows), np.nan),
        offset=offset[rows, columns],
    )
    known = truth.taste + rng.standard_normal(truth.taste.shape)
    return World(shown, truth, exam, known[rows, columns], (things > 0.5) * 1.0, seed)
