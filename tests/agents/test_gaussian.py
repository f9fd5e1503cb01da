"""The conditional Gaussian of ratings, in a world whose covariance was planted."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from focusgroup.agents.gaussian import Gaussian

ITEMS = 30


def planted() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Loadings and noise: two tastes, and generosity that all items share."""
    rng = np.random.default_rng(5)
    tastes = rng.normal(0, 0.6, (ITEMS, 2))
    return np.column_stack((np.full(ITEMS, 0.5), tastes)), rng.uniform(0.3, 1.2, ITEMS)


def ratings(users: int, share: float, seed: int) -> tuple[NDArray[np.float64], sp.csr_matrix]:
    """All that users would give, above the items' means, and which they gave."""
    loadings, noise = planted()
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(users, 3))
    every = factors @ loadings.T + rng.normal(size=(users, ITEMS)) * np.sqrt(noise)
    return every, sp.csr_matrix((rng.random((users, ITEMS)) < share).astype(np.float64))


def known(every: NDArray[np.float64], rated: sp.csr_matrix) -> sp.csr_matrix:
    found = rated.copy()
    found.data = every[rated.nonzero()]
    return found


def test_a_planted_covariance_is_recovered_from_sparse_ratings() -> None:
    every, rated = ratings(1500, 0.4, 1)
    model = Gaussian.fit(known(every, rated), rated, seed=2)
    loadings, noise = planted()
    apart = ~np.eye(ITEMS, dtype=bool)
    found, true = model.loadings @ model.loadings.T, loadings @ loadings.T
    assert np.corrcoef(found[apart], true[apart])[0, 1] > 0.95
    assert np.abs(found[apart] - true[apart]).mean() < 0.07
    assert np.corrcoef(model.noise, noise)[0, 1] > 0.9


def test_what_users_have_not_rated_is_expected_as_well_as_can_be() -> None:
    every, rated = ratings(1500, 0.4, 1)
    model = Gaussian.fit(known(every, rated), rated, seed=2)
    later, given_ = ratings(300, 0.4, 9)
    expected = model.users(known(later, given_), given_) @ model.loadings.T
    loadings, noise = planted()
    truth = Gaussian(loadings, noise)
    best = truth.users(known(later, given_), given_) @ loadings.T
    open_ = given_.toarray() == 0
    error = ((expected - later)[open_] ** 2).mean()
    assert error < 1.03 * ((best - later)[open_] ** 2).mean()
    # The user's own habit alone, the textbook shrunk mean, is far behind.
    habit = np.asarray(known(later, given_).sum(axis=1)) / (given_.sum(axis=1) + 3.0)
    assert error < 0.85 * ((np.asarray(habit) - later)[open_] ** 2).mean()


def test_with_true_parameters_it_is_the_textbook_conditional_mean() -> None:
    loadings, noise = planted()
    every, rated = ratings(20, 0.5, 3)
    found = Gaussian(loadings, noise).users(known(every, rated), rated) @ loadings.T
    covariance = loadings @ loadings.T
    for user in range(20):
        own = rated[user].indices
        within = covariance[np.ix_(own, own)] + np.diag(noise[own])
        by_hand = covariance[:, own] @ np.linalg.solve(within, every[user, own])
        assert found[user] == pytest.approx(by_hand)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 19), min_size=1, max_size=8))
def test_a_user_does_not_depend_on_the_others(rows: list[int]) -> None:
    loadings, noise = planted()
    every, rated = ratings(20, 0.3, 4)
    model, above = Gaussian(loadings, noise), known(every, rated)
    together = model.users(above, rated)
    assert (model.users(above[rows], rated[rows]) == together[rows]).all()


def test_nothing_rated_and_one_rating() -> None:
    nothing = sp.csr_matrix((3, 4))
    assert (Gaussian.fit(nothing, nothing, seed=0).users(nothing, nothing) == 0).all()
    one = sp.csr_matrix(([1.0], ([0], [0])), shape=(1, 1))
    model = Gaussian.fit(one, one, seed=0)
    assert np.isfinite(model.users(one, one)).all()
    assert (model.noise > 0).all()
