"""Does it know what a user takes: told apart within the user, and in bits of surprise."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.metrics.results import Estimate

from .exam import Answers, Exam, Floats
from .over_users import mean_over_users
from .row import Row, judged, not_known
from .samples import ratio_over_users
from .sitting import NOBODY, NOTHING_ANSWERED, Sitting, failures, per_user

GOOD, STRONG, BEHIND_THE_BEST = 0.70, 0.80, 0.02
CERTAIN = math.log(1e6)  # log-odds: certainty that turns out wrong costs 20 bits, not infinity


def within_user_auc(exam: Exam, scores: Floats) -> Floats:
    """Area under each user's ROC curve, (users,), NaN where all or nothing was taken.

    The share of (taken, not taken) pairs of a user in which the taken one scores higher, ties
    counting half (Mann and Whitney 1947).

    Args:
        scores: (n,), larger for what is more likely taken; may be infinite, not NaN.
    """
    order = np.lexsort((scores, exam.users))
    users, sorted_scores = exam.users[order], scores[order]
    taken = exam.taken[order].astype(np.float64)
    place = np.arange(len(order))
    new_user = np.diff(users, prepend=-1) != 0
    new_score = new_user.copy()
    new_score[1:] |= sorted_scores[1:] != sorted_scores[:-1]
    starts = np.flatnonzero(new_score)
    middles = (starts + np.append(starts[1:], len(order)) - 1) / 2
    rank = middles[np.cumsum(new_score) - 1] - np.maximum.accumulate(np.where(new_user, place, 0))
    size = len(exam.user_ids)
    wins = np.bincount(users, taken, size)
    losses = np.bincount(users, 1 - taken, size)
    above = np.bincount(users, rank * taken, size) - wins * (wins - 1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(wins * losses > 0, above / (wins * losses), np.nan))


def decision_auc(
    exam: Exam, answers: Answers, baselines: Mapping[str, Answers] = NOBODY, *, seed: int
) -> Row:
    """Mean of within-user AUCs, beside baselines on the same users and questions.

    Passes at .70 and no more than .02 behind the best baseline; strong at .80.
    """
    sat = Sitting.of(exam, answers)
    if not len(sat.exam):
        return not_known("decision_auc", NOTHING_ANSWERED)
    aucs = within_user_auc(sat.exam, sat.answers.ranks(sat.exam))
    found = mean_over_users(aucs, seed)
    if not found.n:
        return not_known("decision_auc", "no user both took something and left something")
    beside = {}
    for name, other in sat.beside(baselines).items():
        theirs = within_user_auc(other.exam, other.answers.ranks(other.exam))
        beside[name] = mean_over_users(np.where(np.isnan(aucs), np.nan, theirs), seed)
    best = max((other.mean for other in beside.values() if other.n), default=0.0)
    return judged(
        "decision_auc",
        found,
        passes=found.mean >= GOOD and found.mean >= best - BEHIND_THE_BEST,
        strong=found.mean >= STRONG,
        baselines=beside,
        note=failures(answers),
    )


def choice_skill(
    exam: Exam,
    answers: Answers,
    popularity: Answers,
    baselines: Mapping[str, Answers] = NOBODY,
    *,
    seed: int,
) -> Row:
    """Log-loss skill: 1 - log-loss / log-loss of popularity, in-exam probabilities.

    1 is certainty about everything, 0 is popularity. Sums over all questions, interval over users;
    probabilities are kept within 1e-6 of 0 and 1. Passes where the interval lies above 0.

    Args:
        popularity: calibrated answers that know an item's popularity and, where the log has it,
            the slot, and nothing of the user.

    Raises:
        UserError: the reference has no probabilities.
    """
    sat = Sitting.of(exam, answers)
    if reason := sat.chances_missing():
        return not_known("choice_skill", reason)
    if not popularity.calibrated or popularity.failed.any():
        raise UserError(
            "choice_skill: the popularity reference must give a probability for every question;"
            " fit it on calibration users and answer the whole exam."
        )
    surprise = log_loss(exam, popularity)[sat.kept]
    found = _skill(sat, surprise, seed)
    return judged(
        "choice_skill",
        found,
        passes=found.low > 0,
        baselines={
            name: _skill(other, surprise[other.kept], seed)
            for name, other in sat.calibrated_beside(baselines).items()
        },
        note=failures(answers),
    )


def log_loss(exam: Exam, answers: Answers) -> Floats:
    """Surprise at what happened, (n,), in nats."""
    log_odds = np.clip(answers.log_odds + exam.offset, -CERTAIN, CERTAIN)
    return np.asarray(np.logaddexp(0.0, np.where(exam.taken, -log_odds, log_odds)))


def _skill(sat: Sitting, surprise: Floats, seed: int) -> Estimate:
    """`surprise`: log-loss of the reference on the same questions."""
    losses = per_user(sat.exam, log_loss(sat.exam, sat.answers), surprise)
    share = ratio_over_users(losses[:, 0], losses[:, 1], seed)
    return Estimate(1 - share.mean, 1 - share.high, 1 - share.low, share.n)
