"""Planted worlds: what a ranking by simulated users says, and what it must not be fooled by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kendalltau

from focusgroup.simulator.fidelity.ranking import (
    CEILING,
    ITEM_MEANS,
    kendall,
    model_swap_tau,
    ranking_direction,
    ranking_tau,
    separated_pairs,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Real tastes (users, items) = shared + personal, and the pages of nine recommenders."""

    tastes: Floats
    shared: Floats
    top: NDArray[np.int64]

    def value(self, of: Floats) -> Floats:
        return np.take_along_axis(of[:, None, :], self.top, axis=2).mean(axis=2)


@pytest.fixture(scope="module")
def world() -> World:
    """Recommenders know what is shared, what is personal, both (twice), neither, the contrary."""
    rng = np.random.default_rng(7)
    users, items = 400, 70
    shared = np.broadcast_to(rng.normal(0, 0.5, items), (users, items))
    personal = rng.normal(0, 1.0, (users, items))
    knows = [(1, 0), (0, 1), (1, 1), (1, 0.97), (0, 0.3), (0, 0), (0, -0.5), (-1, 0), (-1, -1)]
    pages = [
        np.argsort(-(a * shared + b * personal + rng.normal(0, 1.2, (users, items))), axis=1)
        for a, b in knows
    ]
    return World(shared + personal, shared, np.stack([page[:, :10] for page in pages], axis=1))


def _users_of(world: World, correlation: float) -> Floats:
    """Simulated users whose opinions correlate with the real ones, user by user."""
    rng = np.random.default_rng(11)
    tastes = world.tastes - world.tastes.mean(axis=1, keepdims=True)
    scaled = tastes / tastes.std(axis=1, keepdims=True)
    noise = rng.normal(size=tastes.shape)
    return correlation * scaled + math.sqrt(1 - correlation**2) * noise


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=9))
def test_kendall_is_scipys(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, dtype=float).T
    expected = kendalltau(first, second).statistic
    expected = 0.0 if math.isnan(expected) else expected
    assert float(kendall(first, second)) == pytest.approx(expected)


def test_kendall_by_hand() -> None:
    assert kendall(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])) == pytest.approx(1 / 3)
    # 2 of 3 pairs agree, one is tied on one side: 2 / sqrt(3 x 2).
    tied = kendall(np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0]))
    assert tied == pytest.approx(2 / math.sqrt(6))


def test_sums_in_another_order_break_no_tie() -> None:
    assert kendall(np.array([0.1 + 0.2, 0.3, 1.0]), np.array([1.0, 2.0, 3.0])) < 1


def test_tau_rises_with_what_the_users_know(world: World) -> None:
    real = world.value(world.tastes)
    found = [
        ranking_tau([world.value(_users_of(world, r))], real, 100, {}, seed=1)
        for r in (0.0, 0.1, 0.2, 0.3, 0.5)
    ]
    taus = [row.value for row in found]
    assert abs(taus[0]) < 0.45
    assert taus == sorted(taus)
    assert taus[1] < 0.85 < taus[4]
    assert found[0].verdict == "fail" and found[4].verdict == "strong"


def test_the_oracle_reaches_the_ceiling_and_no_more(world: World) -> None:
    real = world.value(world.tastes)
    row = ranking_tau([real] * 3, real, 100, {}, seed=1)
    ceiling = row.baselines[CEILING]
    assert (row.value, row.low, row.high) == pytest.approx(
        (ceiling.mean, ceiling.low, ceiling.high)
    )
    assert 0.85 < row.value < 1  # 100 users are not all users, and there is a near tie
    assert ranking_direction([real], real, 100, {}, seed=1).value > 0.95


def test_item_means_alone_do_not_pass_however_high_their_tau(world: World) -> None:
    real, means = world.value(world.tastes), world.value(world.shared)
    rows = ranking_tau([means], real, 100, {ITEM_MEANS: means}, seed=1)
    assert rows.value == pytest.approx(rows.baselines[ITEM_MEANS].mean)
    assert rows.verdict == "fail"
    good = ranking_tau([real], real, 100, {ITEM_MEANS: means}, seed=1)
    assert good.verdict == "strong"


def test_a_reversed_ranking_is_minus_one(world: World) -> None:
    apart = world.value(world.tastes)[:, [2, 5, 8]]
    assert ranking_tau([-apart], apart, 400, {}, seed=1).value == pytest.approx(-1)
    row = ranking_direction([-apart], apart, 400, {}, seed=1)
    assert row.value == 0 and row.verdict == "fail"


def test_who_says_yes_to_everything_ranks_nothing(world: World) -> None:
    real = world.value(world.tastes)
    ones = np.ones_like(real)
    assert ranking_tau([ones], real, 100, {}, seed=1).value == 0
    row = ranking_direction([ones], real, 100, {"always_yes": ones}, seed=1)
    assert row.value == pytest.approx(0.5)
    assert row.baselines["always_yes"].mean == pytest.approx(0.5)


def test_fewer_users_are_less_certain(world: World) -> None:
    real = world.value(world.tastes)
    simulated = [world.value(_users_of(world, 0.4))]
    few, many = (ranking_tau(simulated, real, n, {}, seed=1) for n in (15, 300))
    assert few.high - few.low > many.high - many.low
    assert few.value < many.value
    assert "samples of 15 users" in few.note


def test_near_ties_do_not_count_as_directions() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(200, 1))
    real = np.hstack([noise, noise + rng.normal(0, 1, (200, 1)), noise + 2.0])
    assert separated_pairs(real, seed=0).tolist() == [False, True, True]
    row = ranking_direction([real], real, 50, {}, seed=1)
    assert row.note.startswith("2 of 3 pairs are really different")
    assert row.value == 1.0
    nothing = ranking_direction([real[:, :2]], real[:, :2], 50, {}, seed=1)
    assert nothing.verdict.startswith("n/a: none of 1 pairs")


def test_users_who_failed_are_left_out_and_counted(world: World) -> None:
    real = world.value(world.tastes)
    simulated = real.copy()
    simulated[:40, 3] = np.nan
    row = ranking_tau([simulated, real], real, 100, {}, seed=1)
    assert row.n == 360
    assert "40 users left out" in row.note
    assert row.value > 0.85
    gone = ranking_tau([np.full_like(real, np.nan)], real, 100, {}, seed=1)
    assert gone.verdict.startswith("n/a")


def test_the_same_seed_gives_the_same_row(world: World) -> None:
    real, means = world.value(world.tastes), world.value(world.shared)
    rows = [ranking_tau([means], real, 30, {ITEM_MEANS: means}, seed=s) for s in (4, 4, 5)]
    assert rows[0] == rows[1] != rows[2]


def test_two_models_agree_or_do_not(world: World) -> None:
    first = world.value(_users_of(world, 0.6))
    assert model_swap_tau(first, first, seed=2).value == 1
    assert model_swap_tau(first, -first, seed=2).value == -1
    other = world.value(_users_of(world, 0.0))
    row = model_swap_tau(first, other, seed=2)
    assert row.verdict == "fail" and row.low < row.high
    first[0, 0] = np.nan
    assert model_swap_tau(first, other, seed=2).n == 399


def test_who_ranks_no_better_than_item_means_has_shown_nothing() -> None:
    real = np.arange(8.0) + np.random.default_rng(1).normal(0, 0.1, (100, 8))
    asked = ranking_tau([real], real, 100, {ITEM_MEANS: -real}, seed=1)
    assert asked.verdict == "strong"
    row = ranking_tau([real], real, 100, {ITEM_MEANS: real}, seed=1)
    assert row.value == asked.value and row.verdict == "fail"


def test_a_ranking_that_one_run_in_ten_turns_round_does_not_pass() -> None:
    real = np.tile(np.arange(8.0), (100, 1))
    simulated = real.copy()
    simulated[:10] *= -1
    row = ranking_tau([simulated], real, 1, {}, seed=1)
    assert row.value >= 0.7 and row.low == -1 and row.verdict == "fail"
    # With more users in a run the few are outvoted.
    assert ranking_tau([simulated], real, 50, {}, seed=1).verdict == "strong"
