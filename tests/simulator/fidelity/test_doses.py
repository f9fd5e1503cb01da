"""Random items mixed in: who looks at items notices, who does not look is found out."""

from __future__ import annotations

import numpy as np
import pytest

from focusgroup.simulator.fidelity.doses import DOSES, dose_response


def _falling(noise: float, users: int = 200) -> np.ndarray:
    rng = np.random.default_rng(2)
    return 1.0 - 0.8 * np.array(DOSES) + rng.normal(0, noise, (users, len(DOSES)))


def test_a_value_that_falls_with_each_dose_passes() -> None:
    row = dose_response(_falling(0.2), _falling(0.3), seed=1)
    assert row.value == 1 and row.verdict == "pass"
    assert row.baselines["real"].mean == 1
    assert "0%: 1.0" in row.note and "100%: 0.19" in row.note


def test_users_who_ignore_items_are_not_monotone() -> None:
    rng = np.random.default_rng(3)
    always_yes = np.ones((200, len(DOSES)))
    coin = (rng.random((200, len(DOSES))) < 0.5).astype(float)
    for blind in (always_yes, coin):
        row = dose_response(blind, _falling(0.2), seed=1)
        assert row.value == 0 and row.verdict == "fail"
        assert row.low <= row.value <= row.high
    assert row.high == 1  # coins may well fall
    assert dose_response(always_yes, coin, seed=1).high == 0


def test_a_step_that_rises_is_a_step_that_does_not_fall() -> None:
    bent = _falling(0.1)
    bent[:, -1] += 1.0
    row = dose_response(bent, _falling(0.1), seed=1)
    assert row.value == pytest.approx(0.75) and row.verdict == "fail"


def test_failed_users_are_left_out() -> None:
    values = _falling(0.2)
    values[:5, 2] = np.nan
    row = dose_response(values, _falling(0.2), seed=1)
    assert row.n == 195 and "5 users left out" in row.note
    assert dose_response(values * np.nan, values, seed=1).verdict.startswith("n/a")
