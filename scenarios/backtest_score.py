"""Predictions held against what came out: direction, correlation, calibration, and the misses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, rankdata

from focusgroup.simulator.fidelity.over_users import resampled
from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.noise import derive_seed

from .backtest import Observed
from .backtest_predict import Prediction

Floats = NDArray[np.float64]
FEWEST_TO_CORRELATE = 4


@dataclass(frozen=True, slots=True)
class Judged:
    """One test: what was said and what was so.

    Attributes:
        right: whether the direction was; None where the observed difference is exactly 0, or where
            nothing could be predicted.
        inside: whether the observed difference lies in our interval; covered: whether the two
            agree within both intervals; None where they are not the same figure.
    """

    prediction: Prediction
    observed: Observed
    right: bool | None
    inside: bool | None
    covered: bool | None

    @property
    def sure(self) -> bool:
        """Whether our interval leaves out 0."""
        found = self.prediction.difference
        return found.low > 0 or found.high < 0


@dataclass(frozen=True, slots=True)
class Correlation:
    """How well differences of one metric agree over tests, with 95 % intervals over tests."""

    metric: str
    relative: bool
    rank: Estimate
    linear: Estimate


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """What a backtest came to.

    Attributes:
        direction: share of tests whose direction was predicted right (Wilson intervals; n tests);
            clear: among tests whose observed interval leaves out 0; sure: among those whose
            predicted interval does; always_b: right by saying "B wins" each time.
        inside, covered: shares of tests; see `Judged`.
    """

    tests: tuple[Judged, ...]
    direction: Estimate
    clear: Estimate
    sure: Estimate
    always_b: Estimate
    inside: Estimate
    covered: Estimate
    correlations: tuple[Correlation, ...]

    def wrong(self) -> tuple[Judged, ...]:
        """Tests whose direction was not predicted."""
        return tuple(test for test in self.tests if test.right is False)


def score(
    predictions: Sequence[Prediction], observed: Mapping[str, Observed], *, seed: int
) -> BacktestResult:
    """Hold predictions against outcomes, matched by the name of the test."""
    tests = tuple(_judge(p, observed[p.question.name]) for p in predictions)
    known = [test for test in tests if test.right is not None]
    return BacktestResult(
        tests=tests,
        direction=_share(test.right for test in known),
        clear=_share(test.right for test in known if test.observed.clear),
        sure=_share(test.right for test in known if test.sure),
        always_b=_share(test.observed.difference > 0 for test in known),
        inside=_share(test.inside for test in tests if test.inside is not None),
        covered=_share(test.covered for test in tests if test.covered is not None),
        correlations=_correlations(tests, seed),
    )


def _judge(prediction: Prediction, observed: Observed) -> Judged:
    said, was = prediction.difference, observed.difference
    right = None if was == 0 or math.isnan(said.mean) else bool(np.sign(said.mean) == np.sign(was))
    if not prediction.question.same_figure or math.isnan(said.low):
        return Judged(prediction, observed, right, None, None)
    above = was > said.mean
    ours = said.high - said.mean if above else said.mean - said.low
    theirs = was - observed.low if above else observed.high - was
    # Two independent estimates differ by less than the root of their squared half-widths in 95 of
    # 100 cases; of each interval the half that faces the other is taken.
    covered = abs(was - said.mean) <= math.hypot(ours, theirs)
    return Judged(prediction, observed, right, said.low <= was <= said.high, covered)


def _share(found: Iterable[bool | None]) -> Estimate:
    """A share with its Wilson interval (Wilson 1927)."""
    known = [bool(one) for one in found]
    if not known:
        return Estimate(math.nan, math.nan, math.nan, 0)
    ends = binomtest(sum(known), len(known)).proportion_ci(method="wilson")
    return Estimate(sum(known) / len(known), float(ends.low), float(ends.high), len(known))


def _correlations(tests: Sequence[Judged], seed: int) -> tuple[Correlation, ...]:
    """By metric: a difference in stars and one in clicks are not on one scale."""
    kinds = dict.fromkeys((t.prediction.question.metric, t.prediction.question.relative)
                          for t in tests)  # fmt: skip
    return tuple(_correlation(tests, metric, relative, seed) for metric, relative in kinds)


def _correlation(tests: Sequence[Judged], metric: str, relative: bool, seed: int) -> Correlation:
    same = [
        test
        for test in tests
        if (test.prediction.question.metric, test.prediction.question.relative)
        == (metric, relative)
        and not math.isnan(test.prediction.difference.mean)
    ]
    said = np.array([test.prediction.difference.mean for test in same])
    was = np.array([test.observed.difference for test in same])

    def over_tests(statistic: Callable[[Floats, Floats], float]) -> Estimate:
        if len(same) < FEWEST_TO_CORRELATE:
            return Estimate(math.nan, math.nan, math.nan, len(same))
        return resampled(
            lambda rows: statistic(said[rows], was[rows]),
            len(same),
            derive_seed(seed, "correlation", metric),
        )

    return Correlation(
        metric,
        relative,
        over_tests(lambda x, y: _linear(rankdata(x), rankdata(y))),
        over_tests(_linear),
    )


def _linear(x: Floats, y: Floats) -> float:
    """Pearson's correlation; of ranks it is Spearman's. NaN where one does not vary."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])
