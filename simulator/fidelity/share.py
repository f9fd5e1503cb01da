"""The language model's share: statistics alone, the model alone, and both, on the same questions.

It is not a row of the certificate but a section of its own: whether a language model earns its
cost is told slice by slice, for it promises most where the statistics know least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.metrics.results import Estimate

from .choices import within_user_auc
from .exam import Answers, Booleans, Exam, Floats
from .over_users import mean_over_users

EVERYTHING = "all questions"
BEHIND = -0.02  # the lower end of what pooling gains may lie this far below 0
NO_SLICES: Mapping[str, Booleans] = {}


@dataclass(frozen=True, slots=True)
class OpinionShare:
    """What an opinion adds to log-odds; see `focusgroup.agents.OpinionWeight` for the fields."""

    value: float
    low: float
    high: float
    pages: int
    position: float = 0.0
    stars: float = 0.0

    @property
    def adds(self) -> bool:
        """Whether the opinion was worth something on calibration pages: its interval is above 0."""
        return self.low > 0


@dataclass(frozen=True, slots=True)
class ShareRow:
    """Decision AUC (mean within users) in one slice, each user's own questions in it.

    Attributes:
        users: who had both something taken and something left among the questions.
        questions: of these users, answered by all three. failed: questions of the slice left out
            because one of the three has no answer.
        better: the better of the two alone: "statistics" or "model".
        gain: both together less the better of the two alone, paired by user.
    """

    slice: str
    users: int
    questions: int
    failed: int
    statistics: Estimate
    model: Estimate
    both: Estimate
    better: str
    gain: Estimate

    @property
    def holds(self) -> bool | None:
        """Whether pooling is known to cost at most .02; None where nothing could be measured."""
        if self.users < 2:
            return None
        return self.gain.low >= BEHIND


@dataclass(frozen=True, slots=True)
class Share:
    """The section of a certificate: what an opinion weighs, and what came of it."""

    weight: OpinionShare
    rows: tuple[ShareRow, ...]

    @property
    def misses(self) -> tuple[str, ...]:
        """Slices where pooling is not known to cost at most .02."""
        return tuple(row.slice for row in self.rows if row.holds is False)


def ablation(
    exam: Exam,
    statistics: Answers,
    model: Answers,
    both: Answers,
    seed: int,
    slices: Mapping[str, Booleans] = NO_SLICES,
) -> tuple[ShareRow, ...]:
    """What each knows alone and together: all questions first, then each slice.

    A question that one of the three left unanswered is left out for all. Which of the two alone is
    the better is read from the same users, which flatters it, so that the gain errs low.

    Args:
        slices: name -> which questions, (n,).

    Raises:
        UserError: answers or slices of another length than the exam.
    """
    three = {"statistics": statistics, "model": model, "both": both}
    masks = {EVERYTHING: np.ones(len(exam), dtype=bool), **slices}
    sizes = {name: len(answers) for name, answers in three.items()}
    for name, size in {**sizes, **{name: len(mask) for name, mask in masks.items()}}.items():
        if size != len(exam):
            raise UserError(
                f"language model's share: {name!r} has {size} entries for an exam of"
                f" {len(exam)} questions; give one a question, in the order of the exam."
            )
    failed = np.logical_or.reduce([answers.failed for answers in three.values()])
    return tuple(_row(name, exam, three, mask, failed, seed) for name, mask in masks.items())


def _row(
    name: str,
    exam: Exam,
    three: Mapping[str, Answers],
    mask: Booleans,
    failed: Booleans,
    seed: int,
) -> ShareRow:
    kept = mask & ~failed
    asked = exam.only(kept)
    aucs: dict[str, Floats] = {
        who: within_user_auc(asked, answers.only(kept).ranks(asked))
        for who, answers in three.items()
    }
    found = {who: mean_over_users(values, seed) for who, values in aucs.items()}
    better = "model" if found["model"].mean > found["statistics"].mean else "statistics"
    judged = ~np.isnan(aucs["both"])
    return ShareRow(
        slice=name,
        users=int(np.count_nonzero(judged)),
        questions=int(np.count_nonzero(judged[asked.users])),
        failed=int(np.count_nonzero(mask & failed)),
        statistics=found["statistics"],
        model=found["model"],
        both=found["both"],
        better=better,
        gain=mean_over_users(aucs["both"] - aucs[better], seed),
    )
