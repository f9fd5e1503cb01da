"""What was answered of what was asked: every row is about the answers, and counts the failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.metrics.results import Estimate

from .exam import Answers, Booleans, Exam, Floats

NOBODY: Mapping[str, Answers] = {}
NOTHING_ANSWERED = "nothing was answered"
ONLY_RANKS = "its log-odds only rank items, they are no probabilities"


@dataclass(frozen=True, slots=True)
class Sitting:
    """Answers beside their questions, (n,) each, without those that failed.

    Attributes:
        kept: which of the questions asked are left, (asked,).
    """

    exam: Exam
    answers: Answers
    kept: Booleans

    @classmethod
    def of(cls, exam: Exam, answers: Answers, where: Booleans | None = None) -> Sitting:
        """Leave out what failed, and questions where `where`, (asked,), is false.

        Raises:
            UserError: answers of another length than the exam, or an answer that is no number.
        """
        if len(answers) != len(exam):
            raise UserError(
                f"{len(answers)} answers to {len(exam)} questions: answer each question once, in"
                " the order of the exam; mark as failed what has no answer."
            )
        wrong = np.flatnonzero(np.isnan(answers.log_odds) & ~answers.failed)
        if len(wrong):
            raise UserError(
                f"answer {int(wrong[0])}: its log-odds are NaN and it is not marked as failed"
                f" ({len(wrong)} such answers). Give a number, or mark it as failed."
            )
        kept = ~answers.failed if where is None else ~answers.failed & where
        return cls(exam.only(kept), answers.only(kept), kept)

    def beside(self, baselines: Mapping[str, Answers]) -> dict[str, Sitting]:
        """Others on the same questions, by name."""
        return {
            name: Sitting.of(self.exam, answers.only(self.kept))
            for name, answers in baselines.items()
        }

    def chances_missing(self) -> str:
        """Why there are no probabilities to judge, or ""."""
        if not len(self.exam):
            return NOTHING_ANSWERED
        return "" if self.answers.calibrated else ONLY_RANKS

    def calibrated_beside(self, baselines: Mapping[str, Answers]) -> dict[str, Sitting]:
        """Those of the others, on the same questions, whose log-odds are probabilities."""
        return {
            name: other
            for name, other in self.beside(baselines).items()
            if not other.chances_missing()
        }


def failures(answers: Answers) -> str:
    """How many questions are left out for want of an answer, for a row's note; "" if none are."""
    count = int(np.count_nonzero(answers.failed))
    return f"{count} of {len(answers)} questions left out: unanswered" if count else ""


def sentence(*parts: str) -> str:
    """Those parts that say something, in a row."""
    return "; ".join(part for part in parts if part)


def in_words(found: Estimate) -> str:
    """A figure with its interval."""
    return f"{found.mean:.3g} [{found.low:.3g}, {found.high:.3g}]"


def per_user(exam: Exam, *values: Floats) -> Floats:
    """Sums over each user's questions, one column a quantity: (users who were asked, columns)."""
    asked = np.unique(exam.users)
    size = len(exam.user_ids)
    return np.column_stack([np.bincount(exam.users, column, size)[asked] for column in values])
