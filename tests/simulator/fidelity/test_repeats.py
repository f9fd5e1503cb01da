"""Two copies of one recommender: sound users pass, broken noise is caught."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from focusgroup.simulator.fidelity.draws import Draws
from focusgroup.simulator.fidelity.repeats import aa_false_positives
from focusgroup.simulator.noise import Noise

Floats = NDArray[np.float64]

USERS, PAGE = 60, 20
CHANCES = np.random.default_rng(1).uniform(0.2, 0.8, (USERS, PAGE))
SHOWN = np.full(USERS, float(PAGE))
DRAWS = Draws.of(
    [f"u{n}" for n in range(USERS)],
    [f"i{n}" for n in range(PAGE)],
    np.repeat(np.arange(USERS), PAGE),
    np.tile(np.arange(PAGE), USERS),
)


def _users(chances: Floats) -> Callable[[int], Floats]:
    return lambda seed: DRAWS.outcomes(chances.ravel(), seed).reshape(chances.shape).sum(axis=1)


def test_sound_users_are_rarely_called_different_and_never_with_one_seed() -> None:
    users = _users(CHANCES)
    row = aa_false_positives(users, users, SHOWN, sample=40, seed=1)
    assert row.verdict == "pass"
    assert row.low <= 0.05 <= row.high
    assert row.n == 400
    assert "exactly 0" in row.note
    assert row == aa_false_positives(users, users, SHOWN, sample=40, seed=1)


def test_a_copy_that_is_liked_better_is_caught() -> None:
    row = aa_false_positives(
        _users(CHANCES), _users(np.minimum(CHANCES + 0.05, 1)), SHOWN, sample=40, seed=1, trials=150
    )
    assert row.verdict == "fail" and row.value > 0.1


def test_noise_that_all_users_share_is_caught() -> None:
    """One draw for everybody: whole audiences swing together, and every run is 'significant'."""

    def swinging(seed: int) -> Floats:
        shared = np.random.default_rng(seed).random(PAGE)
        return (shared < CHANCES).sum(axis=1).astype(float)

    row = aa_false_positives(swinging, swinging, SHOWN, sample=40, seed=1, trials=150)
    assert row.verdict == "fail" and row.value > 0.2


def test_noise_that_ignores_the_seed_is_caught() -> None:
    users = _users(CHANCES)
    row = aa_false_positives(
        lambda seed: users(0), lambda seed: users(0), SHOWN, sample=40, seed=1, trials=150
    )
    assert row.value == 0 and row.verdict == "fail"


def test_noise_that_is_streamed_is_caught_though_its_rate_is_right() -> None:
    stream = np.random.default_rng(4)

    def streamed(seed: int) -> Floats:
        return (stream.random(CHANCES.shape) < CHANCES).sum(axis=1).astype(float)

    row = aa_false_positives(streamed, streamed, SHOWN, sample=40, seed=1)
    assert 0.022 <= row.value <= 0.078
    assert row.verdict == "fail" and "should be exactly 0" in row.note


def test_draws_are_those_a_session_meets() -> None:
    uniforms = DRAWS.uniforms("click", seed=9).reshape(USERS, PAGE)
    session = Noise(9, "u3", 0).items([f"i{n}" for n in range(PAGE)], "click", [0] * PAGE)
    assert uniforms[3].tolist() == session.tolist()


@pytest.mark.parametrize("seed", [1, 2])
def test_draws_follow_their_chances(seed: int) -> None:
    clicks = DRAWS.outcomes(CHANCES.ravel(), seed)
    assert set(clicks) == {0.0, 1.0}
    assert clicks.mean() == pytest.approx(CHANCES.mean(), abs=0.04)
    shares = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    stars = DRAWS.outcomes(np.tile(shares, (USERS * PAGE, 1)), seed)
    counts = np.bincount(stars.astype(int), minlength=6)[1:] / len(stars)
    assert counts == pytest.approx(shares, abs=0.05)
