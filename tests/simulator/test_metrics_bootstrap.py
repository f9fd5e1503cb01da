"""Intervals mean what they say, and repeat exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from focusgroup.simulator.metrics.bootstrap import catalogue_spreads, ratio_spreads
from focusgroup.simulator.metrics.diversity import coverage, gini
from focusgroup.simulator.metrics.metric import OverCatalogue
from focusgroup.simulator.metrics.significance import (
    bootstrap_p_value,
    holm,
    minimum_detectable,
    paired_p_values,
)


def visits(rng, users, rate):
    """Clicks and exposures of users who differ in how much they browse and like."""
    shown = rng.integers(5, 40, users).astype(float)
    return rng.binomial(shown.astype(int), rng.beta(8 * rate, 8 * (1 - rate), users)), shown


def test_intervals_agree_with_scipy():
    rng = np.random.default_rng(1)
    clicks, shown = visits(rng, 60, 0.2)
    [spread] = ratio_spreads(clicks[:, None].astype(float), shown[:, None], seed=3)
    ours = spread.estimate()
    theirs = stats.bootstrap(
        (clicks, shown),
        lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        n_resamples=9999,
        rng=np.random.default_rng(0),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert abs(ours.low - theirs.low) < 0.08 * width
    assert abs(ours.high - theirs.high) < 0.08 * width


def test_intervals_hold_the_truth_about_95_times_in_100():
    rng, truth, held = np.random.default_rng(5), 0.25, 0
    columns = [visits(rng, 80, truth) for _ in range(200)]
    above = np.stack([clicks for clicks, _ in columns], axis=1).astype(float)
    below = np.stack([shown for _, shown in columns], axis=1)
    for spread in ratio_spreads(above, below, seed=11):
        estimate = spread.estimate()
        held += estimate.low <= truth <= estimate.high
    assert 0.89 <= held / 200 <= 0.99


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    rng = np.random.default_rng(1)
    clicks, shown = visits(rng, 40, 0.2)
    above, below = clicks[:, None].astype(float), shown[:, None]
    first, again, other = (ratio_spreads(above, below, seed=s)[0].estimate() for s in (3, 3, 4))
    assert first == again != other


def test_coverage_of_few_users_is_not_biased_by_resampling():
    rng = np.random.default_rng(2)
    counts = sparse.csr_array((rng.random((50, 400)) < 0.02).astype(float))
    spreads = catalogue_spreads(counts, 500, [OverCatalogue(coverage), OverCatalogue(gini)], 1)
    for spread in spreads:
        estimate = spread.estimate((0.0, 1.0))
        assert estimate.low < estimate.mean < estimate.high
        assert estimate.n == np.count_nonzero(counts.sum(axis=1))


def test_gini_runs_from_all_alike_to_one_has_all():
    same, one = np.array([[3, 3, 3]], np.int32), np.array([[7]], np.int32)
    assert gini(same, 3)[0] == pytest.approx(0.0)
    assert gini(one, 100)[0] == pytest.approx(0.99)
    by_definition = np.abs(np.subtract.outer([0, 0, 1, 5], [0, 0, 1, 5])).mean() / (2 * 1.5)
    assert gini(np.array([[1, 5]], np.int32), 4)[0] == pytest.approx(by_definition)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.6]) == pytest.approx([1.0, 1.0])
    adjusted = holm([0.02, float("nan")])
    assert adjusted[0] == pytest.approx(0.02) and np.isnan(adjusted[1])


def test_permutation_p_values_agree_with_scipy_on_paired_means():
    rng = np.random.default_rng(8)
    a, b, one = rng.normal(0.3, 1, 40), rng.normal(0, 1, 40), np.ones((40, 1))
    [p] = paired_p_values((a[:, None], one), (b[:, None], one), seed=1)
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        n_resamples=9999,
        rng=np.random.default_rng(0),
    ).pvalue
    assert p == pytest.approx(theirs, abs=0.02)


def test_chance_alone_is_called_significant_about_5_times_in_100():
    rng = np.random.default_rng(13)
    pairs = [(visits(rng, 50, 0.2), visits(rng, 50, 0.2)) for _ in range(300)]
    first, second = (
        tuple(
            np.stack([pair[arm][part] for pair in pairs], axis=1).astype(float) for part in (0, 1)
        )
        for arm in (0, 1)
    )
    p_values = np.array(paired_p_values(first, second, seed=4))
    assert 0.02 <= (p_values < 0.05).mean() <= 0.09
    assert p_values.min() >= 1 / 10_000


def test_the_detectable_difference_is_found_four_times_in_five():
    rng = np.random.default_rng(17)
    users, one = 80, np.ones(80)
    effect = minimum_detectable((rng.normal(0, 1, users), one), (rng.normal(0, 1, users), one))
    first = rng.normal(effect, 1, (users, 300)), np.ones((users, 300))
    second = rng.normal(0, 1, (users, 300)), np.ones((users, 300))
    found = np.mean(np.array(paired_p_values(first, second, seed=2)) < 0.05)
    assert 0.65 <= found <= 0.92


def test_catalogue_differences_have_p_values_too():
    rng = np.random.default_rng(3)
    wide = sparse.csr_array((rng.random((60, 300)) < 0.03).astype(float))
    narrow = sparse.csr_array((rng.random((60, 300)) < 0.005).astype(float))
    measures = [OverCatalogue(coverage)]
    [a], [b] = (catalogue_spreads(counts, 300, measures, 1) for counts in (wide, narrow))
    assert bootstrap_p_value(a.minus(b, 60)) < 0.01
    assert bootstrap_p_value(a.minus(a, 60)) == 1.0
