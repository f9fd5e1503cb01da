"""Duels: planted strengths come back, the order's advantage is found, nothing is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.simulator.errors import FailureCause
from focusgroup.simulator.fidelity.duel_table import duels_text
from focusgroup.simulator.fidelity.duel_truth import different, direction, duel_row, tau
from focusgroup.simulator.fidelity.duels import (
    DuelAccount,
    DuelOutcome,
    bradley_terry,
    judge_duels,
    wins_by_user,
)

ARMS = ("als", "knn", "popular", "random")
PLANTED = np.array([1.0, 0.4, -0.2, -1.2])


def planted(
    users: int = 200,
    strengths: Sequence[float] = tuple(PLANTED),
    *,
    order: float = 0.8,
    noise: float = 0.3,
    seed: int = 0,
) -> list[DuelOutcome]:
    """Log-odds of strength differences, plus the order's advantage, plus noise."""
    rng = np.random.default_rng(seed)
    return [
        DuelOutcome(
            f"u{user:03d}",
            ARMS[a],
            ARMS[b],
            float(strengths[a] - strengths[b] + order + rng.normal(0, noise)),
        )
        for user in range(users)
        for a, b in permutations(range(len(ARMS)), 2)
    ]


def always_first(users: int = 40, log_odds: float = 1.5) -> list[DuelOutcome]:
    return [
        DuelOutcome(f"u{user:03d}", a, b, log_odds)
        for user in range(users)
        for a, b in permutations(ARMS, 2)
    ]


def test_planted_strengths_and_the_advantage_of_the_order_come_back() -> None:
    results = judge_duels(planted(), ARMS, seed=1)
    assert [s.arm for s in results.standings] == list(ARMS)
    found = [s.strength.mean for s in results.standings]
    assert found == pytest.approx(PLANTED, abs=0.1)
    for standing in results.standings:
        assert standing.strength.low < standing.strength.mean < standing.strength.high
        assert standing.strength.n == 200
    assert results.order_effect.mean == pytest.approx(0.8, abs=0.03)
    assert results.order_effect.low < 0.8 < results.order_effect.high
    assert results.wins[0][1] == pytest.approx(1 / (1 + math.exp(-0.6)), abs=0.03)
    assert results.wins[0][1] + results.wins[1][0] == pytest.approx(1)
    assert results.standings[0].lead is not None and results.standings[0].lead.low > 0
    assert results.standings[-1].lead is None


def test_a_strong_advantage_of_the_order_hides_nothing() -> None:
    """A model that says A nearly always still tells by how nearly."""
    results = judge_duels(planted(order=7.0, noise=0.1), ARMS, seed=1)
    assert [s.strength.mean for s in results.standings] == pytest.approx(PLANTED, abs=0.1)
    assert results.first_share.mean == 1.0


def test_who_always_takes_the_first_page_prefers_nobody() -> None:
    results = judge_duels(always_first(), ARMS, seed=1)
    assert results.order_effect.mean == pytest.approx(1.5)
    assert results.first_share.mean == 1.0
    assert {s.strength.mean for s in results.standings} == {0.0}
    for standing in results.standings:
        assert standing.strength.low <= 0 <= standing.strength.high
    assert "too close to tell apart" in duels_text(results)


def test_every_duel_is_accounted_for() -> None:
    outcomes = planted(users=5)
    outcomes[0] = DuelOutcome("u000", "als", "knn", math.nan, FailureCause.NOT_JSON)
    outcomes[1] = DuelOutcome("u000", "als", "popular", math.nan, FailureCause.TRANSPORT)
    outcomes[2] = DuelOutcome("u000", "als", "random", 0.0, same=True)
    account = DuelAccount.of(outcomes)
    assert account == DuelAccount(60, 1, 59, 57, 2, {"not_json": 1, "transport": 1})
    text = duels_text(judge_duels(outcomes, ARMS, seed=0))
    assert "60 = 1 with the same items (not asked) + 57 answered + 2 failed" in text
    assert "not_json 1, transport 1" in text


def test_a_duel_answered_in_one_order_only_is_freed_of_the_mean_advantage() -> None:
    outcomes = [o for o in planted(noise=0.0) if (o.user_id, o.first) != ("u000", "als")]
    won = wins_by_user(outcomes, ARMS)
    whole = wins_by_user(planted(noise=0.0), ARMS)
    assert won[0, 0] == pytest.approx(whole[0, 0] / 2, abs=1e-9)


def test_users_without_an_answer_are_left_out() -> None:
    lost = [DuelOutcome("zz", a, b, math.nan, FailureCause.EMPTY) for a, b in permutations(ARMS, 2)]
    results = judge_duels([*planted(users=10), *lost], ARMS, seed=0)
    assert results.users == 10
    assert results.account.failed == 12
    nobody = judge_duels(lost, ARMS, seed=0)
    assert nobody.users == 0
    assert math.isnan(nobody.standings[0].strength.mean)
    assert "Too few" in duels_text(nobody)


def test_comparisons_with_one_arm_only_rank_the_others_too() -> None:
    outcomes = [o for o in planted() if "popular" in (o.first, o.second)]
    results = judge_duels(outcomes, ARMS, seed=0)
    assert [s.arm for s in results.standings] == list(ARMS)
    assert math.isnan(results.wins[0][1])


@given(
    st.lists(st.floats(-2, 2), min_size=4, max_size=4),
    st.floats(-3, 3),
)
def test_strengths_do_not_depend_on_the_order_shown(strengths: list[float], order: float) -> None:
    even = wins_by_user(planted(3, strengths, order=0.0, noise=0.0), ARMS).sum(axis=0)
    tilted = wins_by_user(planted(3, strengths, order=order, noise=0.0), ARMS).sum(axis=0)
    assert bradley_terry(tilted) == pytest.approx(bradley_terry(even), abs=1e-5)
    assert bradley_terry(even).sum() == pytest.approx(0, abs=1e-5)


def test_an_arm_that_always_wins_has_a_finite_strength() -> None:
    wins = np.array([[0.0, 50.0], [0.0, 0.0]])
    strong, weak = bradley_terry(wins)
    assert strong == pytest.approx(math.log(50.5 / 0.5) / 2, abs=1e-4)
    assert weak == -strong


def real(
    users: int = 150, spread: float = 1.0
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rng = np.random.default_rng(5)
    return np.asarray(PLANTED + rng.normal(0, spread, (users, len(ARMS))))


def test_the_row_passes_who_ranks_right_and_fails_who_does_not() -> None:
    row = duel_row(planted(60), ARMS, real(), seed=0)
    assert row.verdict == "strong" and row.value == 1.0 and row.n == 60
    assert "direction 1.00 of 6 really different pairs" in row.note
    assert "tau 0.7 takes 60 duels" in row.note
    reverse = duel_row(planted(60, tuple(-PLANTED)), ARMS, real(), seed=0)
    assert reverse.verdict == "fail" and reverse.value == -1.0
    assert "tau 0.7 was not reached" in reverse.note
    blind = duel_row(always_first(), ARMS, real(), seed=0)
    assert blind.verdict == "fail" and blind.value == 0.0


def test_more_noise_takes_more_calls() -> None:
    row = duel_row(planted(200, noise=6.0), ARMS, real(), seed=0)
    assert 0.7 < row.value < 1 and row.low < row.value
    calls = int(row.note.split("takes ")[1].split(" duels")[0])
    assert 60 < calls < 2400


def test_one_user_is_no_row() -> None:
    row = duel_row(planted(1), ARMS, real(), seed=0)
    assert row.verdict.startswith("n/a: 1 users answered")


def test_tau_and_direction() -> None:
    truth = np.array([3.0, 2.0, 1.0])
    assert tau(np.array([[3, 2, 1], [1, 2, 3], [1, 1, 1]]), truth) == pytest.approx([1, -1, 0])
    really = np.array([[0, 0, 1], [0, 0, 1], [1, 1, 0]], dtype=bool)
    assert direction(np.array([2.0, 3.0, 1.0]), truth, really) == 1.0
    assert direction(np.array([2.0, 3.0, 2.0]), truth, really) == 0.75
    assert math.isnan(direction(truth, truth, np.zeros((3, 3), dtype=bool)))


def test_pairs_within_noise_are_not_really_different() -> None:
    rng = np.random.default_rng(0)
    worth = rng.normal(0, 1, (300, 3)) + np.array([0.0, 0.0, 1.0])
    worth[:5, 0] = np.nan
    found = different(worth)
    assert not found[0, 1] and found[0, 2] and found[1, 2]


def test_a_ranking_that_hangs_on_one_user_does_not_pass() -> None:
    # Four users put the arms right; the fifth, quite sure, the other way round. Of five drawn with
    # replacement the fifth is the majority in one sample of seventeen.
    strengths = {arm: float(n) for n, arm in enumerate(reversed(ARMS))}
    outcomes = [
        DuelOutcome(f"u{user}", a, b, math.copysign(9.0 if user == 4 else 2.0, sign))
        for user in range(5)
        for a, b in permutations(ARMS, 2)
        for sign in [(strengths[a] - strengths[b]) * (-1 if user == 4 else 1)]
    ]
    real = np.tile([strengths[arm] for arm in ARMS], (5, 1))
    row = duel_row(outcomes, ARMS, real, seed=1)
    assert row.value >= 0.7 and row.low == -1 and row.verdict == "fail"
