"""Can its histories of choices be told from real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.noise import derive_seed

from .chance_draws import DRAWS, choice_uniforms, drawn_stars, in_levels, star_uniforms
from .exam import Answers, Booleans, Exam, Floats, Integers
from .habits import habits
from .row import Row, judged, not_known
from .samples import user_weights
from .sitting import NOBODY, Sitting, failures

PASSES, STRONG = 0.65, 0.60
FEWEST = 40  # users; below, a classifier learns nothing from half of them
FOLDS = 5
HALVINGS = 2  # of the users, for each draw
FAR = 4.0  # standard deviations; further out is as far
CONTROL = "real against real"
AT_RANDOM = "random"


def c2st_auc(
    exam: Exam,
    answers: Answers,
    baselines: Mapping[str, Answers] = NOBODY,
    *,
    seed: int,
    attributes: Floats | None = None,
    signal: Floats | None = None,
) -> Row:
    """AUC of a classifier that guesses which histories of choices are drawn and which are real.

    Passes at .65, strong at .60; .5 is a coin (two-sample test, Lopez-Paz and Oquab 2017). Every
    user's choices become a row of `habits`; one half of the users gives its real histories, the
    other its drawn ones, then the other way round; three draws, two halvings each, averaged. The
    classifier is a regularised logistic regression on habits and their squares (a spread that is
    wrong shows in squares), cross-validated, compared within folds. Below .5 counts as .5.
    `real against real`, beside it, compares the real histories of the same two halves and must be
    near .5. Real stars between two levels are drawn to one of them, so that halves of a star give
    nothing away. Where the baseline `AT_RANDOM`, users who take everything at the usual rate, would
    pass as well, choices are too few to tell anybody apart, and to pass means nothing: n/a.

    Args:
        attributes: (items, attributes), what the items are.
        signal: (n,), how well each question's item suits the person; from the user's history. It
            shows choices and stars that do not follow the user's taste.
    """
    sat = Sitting.of(exam, answers)
    if reason := sat.chances_missing():
        return not_known("c2st_auc", reason)
    users = len(np.unique(sat.exam.users))
    if users < FEWEST:
        return not_known("c2st_auc", f"{users} users; a classifier needs at least {FEWEST}")
    known = _Known(attributes, None if signal is None else signal[sat.kept])
    found, control = _told_apart(sat, known, seed)
    beside = {}
    for name, other in sat.calibrated_beside(baselines).items():
        if len(np.unique(other.exam.users)) >= FEWEST:
            beside[name] = _folded(_told_apart(other, known.only(other.kept), seed)[0])
    folded = _folded(found)
    if folded.mean <= PASSES and AT_RANDOM in beside and beside[AT_RANDOM].mean <= PASSES:
        return not_known(
            "c2st_auc",
            f"{users} users with {len(sat.exam) / users:.0f} questions each are too few: users who"
            f" take at random would pass too, with {beside[AT_RANDOM].mean:.2f}"
            f" (these: {folded.mean:.2f})",
        )
    return judged(
        "c2st_auc",
        folded,
        passes=folded.mean <= PASSES,
        strong=folded.mean <= STRONG,
        baselines={CONTROL: control, **beside},
        note=failures(answers),
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of items and of how they suit people, besides the exam."""

    attributes: Floats | None
    signal: Floats | None

    def only(self, kept: Booleans) -> _Known:
        return _Known(self.attributes, None if self.signal is None else self.signal[kept])


@dataclass(frozen=True, slots=True)
class _Fold:
    """How the held out users of one fold compare.

    Attributes:
        drawn, real: rows of users. wins: (drawn, real), 1 where the drawn one looks more drawn,
            .5 where both look alike.
    """

    drawn: Integers
    real: Integers
    wins: Floats


def _told_apart(sat: Sitting, known: _Known, seed: int) -> tuple[Estimate, Estimate]:
    """AUC of drawn against real, and of real against real."""
    tests, controls = [], []
    for n in range(DRAWS):
        real, drawn = _histories(sat, known, seed, n)
        users = len(real)
        for half in range(HALVINGS):
            order = np.random.default_rng(derive_seed(seed, "halves", n, half)).permutation(users)
            one, two = order[: users // 2], order[users // 2 :]
            folds_seed = derive_seed(seed, "folds", n, half) % 2**32
            tests += _folds(drawn, one, real, two, folds_seed)
            tests += _folds(drawn, two, real, one, folds_seed)
            controls += _folds(real, one, real, two, folds_seed)
    weights = user_weights(users, seed)
    return _auc(tests, weights), _auc(controls, weights)


def _histories(sat: Sitting, known: _Known, seed: int, n: int) -> tuple[Floats, Floats]:
    """Habits of real and of drawn histories on the same questions, (users, habits) each."""
    exam, answers = sat.exam, sat.answers
    size = len(exam)
    choosing, rating = choice_uniforms(size, seed, n), star_uniforms(size, seed, n)
    taken = choosing < answers.chance(exam)
    rated = ~np.isnan(exam.stars) & ~np.isnan(answers.stars)
    if (rated & ~exam.taken).any():
        # Where a low rating is what makes a rejection, one liking decides about both.
        rating = choosing
    real_stars, drawn = np.full(size, np.nan), np.full(size, np.nan)
    chances = answers.star_chances
    levels = in_levels(np.where(rated, answers.stars, 1.0)) if chances is None else chances
    drawn[rated] = drawn_stars(levels[rated], rating[rated])
    between_levels = np.random.default_rng(derive_seed(seed, "levels", n)).random(size)
    real_stars[rated] = drawn_stars(in_levels(exam.stars[rated]), between_levels[rated])
    return (
        habits(exam, exam.taken, real_stars, known.attributes, known.signal),
        habits(exam, taken, drawn, known.attributes, known.signal),
    )


def _folds(drawn: Floats, one: Integers, real: Floats, two: Integers, seed: int) -> list[_Fold]:
    """Cross-validated comparison of rows `one` of `drawn` with rows `two` of `real`."""
    rows = np.concatenate((one, two))
    features = np.vstack((drawn[one], real[two]))
    label = np.arange(len(rows)) < len(one)
    folds = []
    for train, held in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(rows, label):
        learned, asked = _standardised(features[train], features[held])
        fitted = LogisticRegression(C=0.1, solver="newton-cholesky").fit(learned, label[train])
        looks = fitted.decision_function(asked)
        is_drawn = label[held]
        ahead = looks[is_drawn][:, None] - looks[~is_drawn][None, :]
        folds.append(_Fold(rows[held[is_drawn]], rows[held[~is_drawn]], (np.sign(ahead) + 1) / 2))
    return folds


def _standardised(learned: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """Both on the scale of the first, what is missing in its middle, with squares beside."""
    known = ~np.isnan(learned)
    counts = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, learned, 0.0).sum(axis=0) / counts
    spread = np.sqrt((np.where(known, learned - centre, 0.0) ** 2).sum(axis=0) / counts)
    scale = np.where(spread > 1e-9, spread, np.inf)
    both = []
    for features in (learned, asked):
        far = np.where(np.isnan(features), 0.0, np.clip((features - centre) / scale, -FAR, FAR))
        both.append(np.hstack((far, far**2 - 1)))
    return both[0], both[1]


def _auc(folds: list[_Fold], weights: list[Floats]) -> Estimate:
    """Share of comparisons won, over all folds, with its interval over users."""
    wins = sum(float(fold.wins.sum()) for fold in folds)
    point = wins / sum(fold.wins.size for fold in folds)
    replicates = []
    for drawn in weights:
        above, below = np.zeros(len(drawn)), np.zeros(len(drawn))
        for fold in folds:
            ours, theirs = drawn[:, fold.drawn], drawn[:, fold.real]
            above += ((ours @ fold.wins) * theirs).sum(axis=1)
            below += ours.sum(axis=1) * theirs.sum(axis=1)
        replicates.append(above / below)
    low, high = np.quantile(np.concatenate(replicates), [0.025, 0.975])
    return Estimate(point, float(low), float(high), weights[0].shape[1])


def _folded(found: Estimate) -> Estimate:
    """Worse than a coin is a coin."""
    return Estimate(max(found.mean, 0.5), max(found.low, 0.5), max(found.high, 0.5), found.n)
