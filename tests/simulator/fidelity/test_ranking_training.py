"""The worth of a synthetic log for training."""

from __future__ import annotations

import numpy as np
import pytest

from focusgroup.simulator.fidelity.training import RANDOM_TAKES, tstr_ratio


def test_the_ratio_is_paired_by_user() -> None:
    real = np.tile([0.2, 0.6], 50)
    row = tstr_ratio(0.9 * real, real, {RANDOM_TAKES: 0.3 * real}, seed=1)
    assert (row.value, row.low, row.high) == pytest.approx((0.9, 0.9, 0.9))
    assert row.verdict == "pass"
    assert row.baselines[RANDOM_TAKES].mean == pytest.approx(0.3)


def test_a_log_no_better_than_takes_at_random_fails() -> None:
    rng = np.random.default_rng(5)
    real = rng.uniform(0.3, 0.7, 200)
    blind = 0.9 * real + rng.normal(0, 0.1, 200)
    assert tstr_ratio(blind, real, {RANDOM_TAKES: blind[::-1]}, seed=1).verdict == "fail"
    assert tstr_ratio(0.7 * real, real, {}, seed=1).verdict == "fail"


def test_users_with_nothing_to_find_are_left_out() -> None:
    real = np.array([0.5, np.nan, 0.5, 0.5])
    assert tstr_ratio(real, real, {}, seed=1).n == 3
    assert tstr_ratio(real, 0 * real, {}, seed=1).verdict.startswith("n/a")
