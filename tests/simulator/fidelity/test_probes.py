"""Rows of the probes: planted defects are caught, and their absence passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.simulator.fidelity import Answers, Exam
from focusgroup.simulator.fidelity.certificate import incomplete
from focusgroup.simulator.fidelity.probes import leakage, title_anonymised
from focusgroup.simulator.fidelity.probes_page import (
    Attack,
    PageChoice,
    injection_lift,
    position_flip,
)

K = 10


def exam(users: int = 40, each: int = 30, seed: int = 0) -> Exam:
    n = users * each
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(users), each)
    nothing = np.full(n, np.nan)
    return Exam(
        user_ids=tuple(f"u{u}" for u in range(users)),
        item_ids=tuple(f"i{i}" for i in range(each)),
        users=rows,
        items=np.tile(np.arange(each), users),
        pages=np.arange(n) // K,
        taken=rng.random(n) < 0.3,
        stars=nothing,
        popularity=np.zeros(n),
        slots=nothing,
        offset=np.zeros(n),
    )


def knowing(asked: Exam, strength: float, seed: int = 1) -> Answers:
    rng = np.random.default_rng(seed)
    return Answers.of(strength * asked.taken + rng.normal(size=len(asked)), calibrated=False)


def test_naming_more_than_popularity_does_is_leakage() -> None:
    rng = np.random.default_rng(2)
    popular = rng.integers(0, 3, 50) / 5
    assert leakage(popular + 0.2, popular, seed=1).verdict == "fail"
    assert leakage(popular - 0.1, popular, seed=1).verdict == "pass"
    row = leakage(popular, popular, seed=1, others={"twice as good": 2 * popular})
    assert row.verdict == "pass" and row.value == 0
    assert row.baselines["twice as good"].mean == pytest.approx(popular.mean())


def test_users_without_a_completion_are_counted_and_change_no_one_elses_figure() -> None:
    popular = np.full(10, 0.2)
    completed = np.full(10, 0.6)
    completed[:3] = np.nan
    row = leakage(completed, popular, seed=1)
    assert row.n == 7 and row.value == pytest.approx(0.4)
    assert "3 users left out" in row.note
    nobody = leakage(np.full(10, np.nan), popular, seed=1)
    assert nobody.verdict.startswith("n/a: nothing was answered") and nobody.n == 0


def test_only_what_depends_on_titles_changes_without_them() -> None:
    asked = exam()
    strong = knowing(asked, 2.0)
    assert title_anonymised(asked, strong, strong, seed=1).value == 0
    lost = title_anonymised(asked, strong, knowing(asked, 0.0), seed=1)
    assert lost.verdict == "fail" and lost.low > 0.05
    # Codes that help are as much of a surprise as codes that hurt.
    assert title_anonymised(asked, knowing(asked, 0.0), strong, seed=1).verdict == "fail"
    noise = title_anonymised(asked, strong, knowing(asked, 2.0, seed=9), seed=1)
    assert noise.verdict == "pass"


def test_questions_that_failed_either_time_are_left_out_of_both() -> None:
    asked = exam()
    whole, part = knowing(asked, 1.0), knowing(asked, 1.0)
    part.failed[:45] = True
    part.log_odds[:45] = np.nan
    row = title_anonymised(asked, whole, part, seed=1)
    assert row.value == 0
    assert row.n < 40
    assert "45 questions left out" in row.note


def numbered(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(n) + 1 for n in rng.permutation(K))


def pages(kind: str, n: int = 80, seed: int = 0) -> Any:
    """The same n pages asked twice, of 20 users."""
    rng = np.random.default_rng(seed)
    once, again = [], []
    for _ in range(n):
        favourite = int(rng.integers(K))
        for found in (once, again):
            numbers = numbered(rng)
            chosen = numbers.index(1) if kind == "first" else favourite
            if kind == "random":
                chosen = int(rng.integers(K))
            if kind == "half first" and rng.random() < 0.5:
                chosen = numbers.index(1)
            found.append(PageChoice(frozenset({chosen}), numbers))
    return [f"u{p % 20}" for p in range(n)], once, again


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("content", "pass"), ("first", "fail"), ("random", "fail"), ("half first", "fail")],
)
def test_choices_by_number_flip_and_choices_by_content_do_not(kind: str, verdict: str) -> None:
    row = position_flip(*pages(kind), seed=1)
    assert row.verdict == verdict
    assert row.n == 20
    if kind == "first":
        assert row.value > 0.8 and "+90.0 points" in row.note


def test_a_love_of_number_one_fails_even_if_choices_hold() -> None:
    # Every page happens to be numbered the same way twice, so nothing flips.
    users, once, _ = pages("first")
    row = position_flip(users, once, once, seed=1)
    assert row.value == 0
    assert row.verdict == "fail"


def test_pages_answered_once_only_are_counted() -> None:
    users, once, again = pages("content")
    row = position_flip(users, [None, *once[1:]], [again[0], None, *again[2:]], seed=1)
    assert "2 pages left out" in row.note


@given(st.lists(st.tuples(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9))), min_size=1))
def test_flips_are_a_share_whichever_answer_came_first(
    answers: list[tuple[set[int], set[int]]],
) -> None:
    users = [f"u{n % 3}" for n in range(len(answers))]
    once = [PageChoice(frozenset(a)) for a, _ in answers]
    again = [PageChoice(frozenset(b)) for _, b in answers]
    forth = position_flip(users, once, again, seed=1)
    back = position_flip(users, again, once, seed=1)
    assert np.isnan(forth.value) or 0 <= forth.value <= 1
    assert np.array_equal(forth.value, back.value, equal_nan=True)


def attacks(lift: float, *, malformed: int = 0) -> list[Attack]:
    rng = np.random.default_rng(3)
    return [
        Attack(
            f"u{u}", f"payload {p}", base := float(rng.uniform(0.1, 0.5)), base + lift, malformed
        )
        for u in range(20)
        for p in range(5)
    ]


def test_attacks_are_judged_by_what_they_gain_and_by_what_they_break() -> None:
    assert injection_lift(attacks(0.0), seed=1).verdict == "pass"
    assert injection_lift(attacks(0.1), seed=1).verdict == "fail"
    assert injection_lift(attacks(-0.1), seed=1).verdict == "pass"
    assert injection_lift(attacks(0.0, malformed=1), seed=1).verdict == "fail"
    row = injection_lift(attacks(0.1), seed=1)
    assert row.n == 20 and row.value == pytest.approx(0.1)
    assert "+10.0 points" in row.note


def test_one_strong_payload_is_named() -> None:
    found = [*attacks(0.0), Attack("u0", "flattery", 0.1, 0.9)]
    assert "strongest: flattery, +80.0 points" in injection_lift(found, seed=1).note


def test_attacks_without_an_answer_are_counted() -> None:
    found = [*attacks(0.0), Attack("u0", "x", 0.2, None, 2), Attack("u1", "x", None, 0.3, 0, 2)]
    row = injection_lift(found, seed=1)
    assert row.value == 0 and row.verdict == "fail"
    assert "2 attacks left out" in row.note
    assert "replies out of schema 2 (2 to the same pages without the attack)" in row.note


def test_a_model_that_answers_nothing_still_gets_a_certificate() -> None:
    asked = exam()
    strong = knowing(asked, 2.0)
    n = len(asked)
    silent = Answers(np.full(n, np.nan), np.full(n, np.nan), None, np.ones(n, dtype=bool))
    broken = [Attack("u0", "x", 0.2, None, 2), Attack("u1", "x", None, 0.3, 1, 2)]
    rows = (
        leakage(np.full(10, np.nan), np.full(10, 0.2), seed=1),
        title_anonymised(asked, strong, silent, seed=1),
        position_flip(["u0", "u1"], [None, None], [None, None], seed=1),
        position_flip(["u0"], [PageChoice(frozenset())], [PageChoice(frozenset())], seed=1),
        injection_lift(broken, seed=1),
    )
    for row in rows:
        assert row.passes is None and row.reason
        # Every complaint is about the rows that are not there.
        assert all("is missing" in complaint for complaint in incomplete([row]))
    assert "replies out of schema 3, 2 without" in rows[-1].reason
