"""Does it matter whose persona it is: what is lost when personas are exchanged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from focusgroup.simulator.metrics.results import Estimate

from .choices import within_user_auc
from .exam import Answers, Exam
from .over_users import mean_over_users
from .row import Row, judged, not_known
from .sitting import NOTHING_ANSWERED, Sitting, sentence

LOST = 0.05
NO_PAIRS: Mapping[str, tuple[Answers, Answers]] = {}


def persona_swap(
    exam: Exam,
    answers: Answers,
    swapped: Answers,
    baselines: Mapping[str, tuple[Answers, Answers]] = NO_PAIRS,
    *,
    seed: int,
) -> Row:
    """Mean over users of AUC with the own persona minus AUC with another user's, paired.

    Passes at .05.

    Args:
        swapped: answers to the same questions, each user played with the persona of another.
        baselines: the same two of others, by name.
    """
    sat = Sitting.of(exam, answers, ~swapped.failed)
    if not len(sat.exam):
        return not_known("persona_swap", NOTHING_ANSWERED)
    own, other, lost = _lost(sat.exam, sat.answers, swapped.only(sat.kept), seed)
    if not lost.n:
        return not_known("persona_swap", "no user both took something and left something")
    beside = {}
    for name, (first, second) in baselines.items():
        theirs = Sitting.of(exam, first, sat.kept & ~second.failed)
        if len(theirs.exam):
            beside[name] = _lost(theirs.exam, theirs.answers, second.only(theirs.kept), seed)[2]
    left_out = int(np.count_nonzero(~sat.kept))
    return judged(
        "persona_swap",
        lost,
        passes=lost.mean >= LOST,
        baselines=beside,
        note=sentence(
            f"AUC {own:.3f} with the own persona, {other:.3f} with another user's",
            f"{left_out} of {len(exam)} questions left out: unanswered" if left_out else "",
        ),
    )


def _lost(
    exam: Exam, answers: Answers, swapped: Answers, seed: int
) -> tuple[float, float, Estimate]:
    own = within_user_auc(exam, answers.ranks(exam))
    other = within_user_auc(exam, swapped.ranks(exam))
    known = ~np.isnan(own)
    if not known.any():
        return np.nan, np.nan, mean_over_users(own, seed)
    return float(own[known].mean()), float(other[known].mean()), mean_over_users(own - other, seed)
