"""Rows that come of sitting the exam: choices, probabilities, ratings, persons, histories."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.fidelity import Answers, Exam, Row
from focusgroup.simulator.fidelity.chances import ece, engagement_ratio
from focusgroup.simulator.fidelity.choices import choice_skill, decision_auc, within_user_auc
from focusgroup.simulator.fidelity.contrast import contrast_pairs, persona_contrast
from focusgroup.simulator.fidelity.histories import c2st_auc
from focusgroup.simulator.fidelity.personas import persona_swap
from focusgroup.simulator.fidelity.popularity import popularity_slope
from focusgroup.simulator.fidelity.ratings import (
    rating_js,
    rating_ks,
    rating_rmse,
    rating_wasserstein,
)
from focusgroup.simulator.fidelity.variance import variance_ratio

from .candidate import Candidate
from .ground import Ground
from .panel import Opinions
from .probes_persona import swapped_histories, swapped_personas
from .signal import personal_signal
from .witnesses import BIASES, POPULARITY, baselines, single_signals
from .yardsticks import item_means

Floats = NDArray[np.float64]
ATTRIBUTES = 10  # the most frequent ones, as habits of choice
STATISTICS = "behaviour model"


@dataclass(frozen=True, slots=True)
class Sat:
    """An exam that was sat.

    Attributes:
        opinions: of the language model, None without one.
        others: answers of baselines, by name.
    """

    exam: Exam
    answers: Answers
    opinions: Opinions | None
    others: dict[str, Answers]


async def sit(candidate: Candidate, exam: Exam, *, seed: int) -> Sat:
    """The candidate's answers, and those of all it has to beat.

    Raises:
        UserError, RunStopped: as `Panel.opinions`.
    """
    ground = candidate.ground
    answers, opinions = await candidate.answers(exam)
    others = baselines(ground, exam, seed=seed)
    histories = [ground.histories(user_id) for user_id in exam.user_ids]
    if candidate.panel is not None:
        others[STATISTICS] = candidate.statistics(exam)
    else:
        name, best = _best(exam, single_signals(ground.behaviour, histories, exam))
        others[name] = best
    return Sat(exam, answers, opinions, others)


async def sitting_rows(candidate: Candidate, sat: Sat, *, seed: int) -> list[Row]:
    """All rows on one exam. Raises UserError, RunStopped: as `Panel.opinions`."""
    ground, exam, answers, others = candidate.ground, sat.exam, sat.answers, sat.others
    signal = personal_signal(ground, exam)
    pairs = contrast_pairs(exam, signal, alike=_alike(ground, exam))
    swapped = await _swapped(candidate, exam, seed)
    raters = {n: a for n, a in others.items() if n not in (BIASES,)}
    return [
        decision_auc(exam, answers, others, seed=seed),
        choice_skill(exam, answers, others[POPULARITY], others, seed=seed),
        ece(exam, answers, others, seed=seed),
        engagement_ratio(exam, answers, others, seed=seed),
        rating_rmse(exam, answers, others[BIASES], raters, seed=seed),
        rating_ks(exam, answers, others, seed=seed),
        rating_wasserstein(exam, answers, others, seed=seed),
        rating_js(exam, answers, others, seed=seed),
        variance_ratio(exam, answers, others, seed=seed),
        persona_swap(exam, answers, swapped, seed=seed),
        persona_contrast(exam, answers, pairs, others, seed=seed),
        c2st_auc(exam, answers, others, seed=seed, attributes=_attributes(ground), signal=signal),
        popularity_slope(exam, answers, others, seed=seed),
    ]


async def _swapped(candidate: Candidate, exam: Exam, seed: int) -> Answers:
    panel = candidate.panel
    answers, _ = await candidate.answers(
        exam,
        histories=swapped_histories(candidate.ground, seed=seed),
        personas=None if panel is None else swapped_personas(panel, seed=seed),
    )
    return answers


def _alike(ground: Ground, exam: Exam) -> Floats | None:
    """Where everybody has had everything, equally popular means equally liked."""
    return item_means(ground)[exam.items] if ground.fully_observed else None


def _best(exam: Exam, signals: dict[str, Answers]) -> tuple[str, Answers]:
    """The signal that alone ranks best, under its name."""
    aucs = {n: np.nanmean(within_user_auc(exam, a.log_odds)) for n, a in signals.items()}
    best = max(sorted(aucs), key=aucs.__getitem__)
    return f"best signal: {best}", signals[best]


def _attributes(ground: Ground) -> Floats | None:
    """(items, attributes): which of the most frequent attributes an item has."""
    counts = Counter(a for item in ground.catalog.values() for a in dict.fromkeys(item.attributes))
    names = [name for name, _ in counts.most_common(ATTRIBUTES)]
    if not names:
        return None
    return np.array(
        [[float(name in item.attributes) for name in names] for item in ground.catalog.values()]
    )
