"""What the language model adds, told slice by slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.fidelity.exam import Answers, Booleans, Exam, Floats
from focusgroup.simulator.fidelity.share import (
    EVERYTHING,
    OpinionShare,
    Share,
    ShareRow,
    ablation,
)

USERS, EACH = 80, 20
N = USERS * EACH


@pytest.fixture(scope="module")
def exam() -> Exam:
    rng = np.random.default_rng(5)
    return Exam(
        user_ids=tuple(f"u{n:02d}" for n in range(USERS)),
        item_ids=tuple(f"i{n:02d}" for n in range(EACH)),
        users=np.repeat(np.arange(USERS), EACH),
        items=np.tile(np.arange(EACH), USERS),
        pages=np.arange(N) // 10,
        taken=rng.random(N) < 0.4,
        stars=np.full(N, np.nan),
        popularity=np.zeros(N),
        slots=np.full(N, np.nan),
        offset=np.zeros(N),
    )


def knowing(exam: Exam, strength: float, seed: int, where: Booleans | bool = True) -> Floats:
    """Log-odds that know what was taken to some degree, in some questions."""
    rng = np.random.default_rng(seed)
    return np.asarray(np.where(where, strength, 0.0) * exam.taken + rng.normal(0, 1, N))


def rows(exam: Exam, statistics: float, model: float, weight: float) -> tuple[ShareRow, ...]:
    """The model knows something in the second half of each user's questions, and only there."""
    late = exam.items >= EACH // 2
    known, told = knowing(exam, statistics, 1, ~late), knowing(exam, model, 2, late)
    both = known + weight * told
    return ablation(
        exam, Answers.of(known), Answers.of(told), Answers.of(both), 3,
        {"known items": ~late, "new items": late},
    )  # fmt: skip


def test_a_model_that_knows_what_statistics_do_not_shows_it(exam: Exam) -> None:
    everything, known, new = rows(exam, 2.0, 2.0, 1.0)
    assert [row.slice for row in (everything, known, new)] == [
        EVERYTHING, "known items", "new items",
    ]  # fmt: skip
    assert everything.gain.low > 0.05
    assert everything.both.mean > max(everything.statistics.mean, everything.model.mean)
    assert (known.better, new.better) == ("statistics", "model")
    assert new.model.mean > 0.85
    assert new.statistics.low < 0.5 < new.statistics.high
    assert everything.users == USERS
    assert (everything.questions, everything.failed) == (N, 0)


def test_a_model_that_knows_nothing_and_weighs_nothing_costs_nothing(exam: Exam) -> None:
    for row in rows(exam, 2.0, 0.0, 0.0)[:2]:
        assert row.better == "statistics"
        assert row.gain == replace(row.gain, mean=0.0, low=0.0, high=0.0)
        assert row.holds


def test_a_model_that_knows_nothing_and_is_believed_is_a_miss(exam: Exam) -> None:
    found = rows(exam, 2.0, 0.0, 2.0)
    share = Share(OpinionShare(2.0, 1.5, 2.5, 80), found)
    assert found[1].gain.high < -0.02
    assert "known items" in share.misses
    assert share.weight.adds
    assert not OpinionShare(0.1, -0.1, 0.3, 80).adds


def test_what_one_of_the_three_left_unanswered_counts_for_none(exam: Exam) -> None:
    known, told = knowing(exam, 2.0, 1), knowing(exam, 1.0, 2)
    failed = exam.users < 5
    silent = Answers(np.where(failed, np.nan, told), np.full(N, np.nan), None, failed)
    both = Answers(np.where(failed, np.nan, known + told), np.full(N, np.nan), None, failed)
    (row,) = ablation(exam, Answers.of(known), silent, both, 3)
    assert (row.users, row.failed) == (USERS - 5, 5 * EACH)
    rest = exam.only(~failed)
    (alone,) = ablation(
        rest, Answers.of(known[~failed]), Answers.of(told[~failed]),
        Answers.of((known + told)[~failed]), 3,
    )  # fmt: skip
    assert (row.statistics, row.gain) == (alone.statistics, alone.gain)


def test_a_slice_without_questions_is_not_known(exam: Exam) -> None:
    told = Answers.of(knowing(exam, 1.0, 2))
    row = ablation(exam, told, told, told, 3, {"none": np.zeros(N, dtype=bool)})[1]
    assert (row.users, row.questions) == (0, 0)
    assert row.holds is None
    assert np.isnan(row.gain.mean)


def test_answers_to_another_exam_are_refused(exam: Exam) -> None:
    told = Answers.of(knowing(exam, 1.0, 2))
    with pytest.raises(UserError, match=r"'model' has 7 entries .* 1600"):
        ablation(exam, told, told.only(np.arange(N) < 7), told, 3)
