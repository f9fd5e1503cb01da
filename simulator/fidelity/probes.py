"""Probes of what a simulator goes by: memory of the log, or the names of items."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.metrics.results import Estimate

from .choices import within_user_auc
from .exam import Answers, Exam
from .over_users import mean_over_users
from .row import Row, judged, not_known
from .sitting import NOTHING_ANSWERED, sentence

Floats = NDArray[np.float64]
LEAKED = 0.02  # of the titles named, above what popularity gets right
RENAMED = 0.05  # AUC


def leakage(
    completed: Floats, popular: Floats, *, seed: int, others: Mapping[str, Floats] | None = None
) -> Row:
    """Does the model complete histories of the log better than popularity does?

    Args:
        completed: share of the titles the model named that are in the hidden rest of each user's
            history, (users,), in [0, 1]; NaN for a user it did not answer for.
        popular: the same for as many of the most popular items.
        others: the same for others, by name: what goes together explains part of a completion.
    """
    answered = ~np.isnan(completed)
    if not answered.any():
        return not_known(
            "leakage", f"{NOTHING_ANSWERED} by any of {counted(len(completed), 'user')}"
        )
    lead = mean_over_users(completed - popular, seed)
    shown = {"popularity": popular, **(others or {})}
    return judged(
        "leakage",
        lead,
        passes=lead.mean <= LEAKED,
        baselines={
            name: mean_over_users((values - popular)[answered], seed)
            for name, values in shown.items()
        },
        note=sentence(
            f"{_percent(completed)} of what it named is right, popularity {_percent(popular)}",
            unanswered(int(np.count_nonzero(~answered)), "user"),
        ),
    )


def title_anonymised(
    exam: Exam,
    titled: Answers,
    coded: Answers,
    *,
    seed: int,
    others: Mapping[str, tuple[Answers, Answers]] | None = None,
) -> Row:
    """How much AUC hangs on the names of items: mean within-user AUC with titles minus without.

    Args:
        titled, coded: answers to the exam, with titles and with codes in their place.
        others: the same pairs for others, by name.
    """
    change, left_out = _auc_change(exam, titled, coded, seed)
    if left_out == len(exam):
        return not_known("title_anonymised", NOTHING_ANSWERED)
    if not change.n:
        return not_known("title_anonymised", "no user both took something and left something")
    return judged(
        "title_anonymised",
        change,
        passes=abs(change.mean) <= RENAMED,
        baselines={
            name: _auc_change(exam, before, after, seed)[0]
            for name, (before, after) in (others or {}).items()
        },
        note=sentence("AUC with titles minus AUC with codes", unanswered(left_out, "question")),
    )


def unanswered(count: int, what: str) -> str:
    """How many are left out, for a note; "" if none are."""
    return f"{counted(count, what)} left out: unanswered" if count else ""


def counted(count: int, what: str) -> str:
    """``1 page``, ``2 pages``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _percent(values: Floats) -> str:
    known = values[~np.isnan(values)]
    return f"{100 * known.mean():.1f} %" if len(known) else "nothing"


def _auc_change(exam: Exam, before: Answers, after: Answers, seed: int) -> tuple[Estimate, int]:
    """Paired within the user, over questions that both answered; and how many are left out."""
    kept = ~(before.failed | after.failed)
    asked = exam.only(kept)
    lost = within_user_auc(asked, before.only(kept).ranks(asked)) - within_user_auc(
        asked, after.only(kept).ranks(asked)
    )
    return mean_over_users(lost, seed), int(np.count_nonzero(~kept))
