"""Which recommender is better, and by how much: paired over the users who met them all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .metrics.bootstrap import Spread
from .metrics.cells import Flags, Ints, flags, ints
from .metrics.measured import Figure, Measured
from .metrics.metric import Metric, Ratio
from .metrics.results import Comparison, PairedDifference
from .metrics.significance import (
    bootstrap_p_value,
    holm,
    minimum_detectable,
    minimum_detectable_of,
    paired_p_values,
)
from .metrics.verdict import Contest, Duel, Losses, failure_bounds, verdict
from .noise import derive_seed


def compare(
    audiences: Sequence[Measured],
    metrics: Sequence[Metric],
    *,
    primary: Metric,
    baseline: str,
    seed: int,
) -> Comparison:
    """Compare every arm with the baseline, audience by audience.

    The primary metric decides and is corrected by Holm over the arms; all others are exploratory.
    Where every arm stored probabilities, the primary metric is taken from them, and the verdict
    says so. The verdict compares the best arm with all others, by Holm over all pairs of arms.
    """
    pairs: list[PairedDifference] = []
    verdicts: dict[str, str] = {}
    for measured in audiences:
        own = derive_seed(seed, "compare", measured.cells.audience)
        compared = _Pairing(measured, tuple(metrics), primary, baseline, own)
        pairs += compared.with_baseline()
        verdicts[measured.cells.audience] = compared.in_words()
    return Comparison(baseline, primary.name, tuple(pairs), verdicts)


@dataclass(frozen=True, slots=True)
class _Test:
    difference: Spread
    p_value: float
    minimum_detectable: float


class _Pairing:
    """One audience: every pair of arms, on the users who failed in none.

    An arm in which every user failed is left out by name: it would leave nobody to compare.
    """

    def __init__(
        self,
        measured: Measured,
        metrics: tuple[Metric, ...],
        primary: Metric,
        baseline: str,
        seed: int,
    ) -> None:
        self.measured, self.metrics, self.primary, self.seed = measured, metrics, primary, seed
        self.arms = measured.cells.arms
        self.failed, self.absent = _losses(measured)
        void = [bool(row.all()) for row in self.failed]
        arms = [arm for arm in range(len(self.arms)) if not void[arm]] or [0]
        self.live = arms
        wanted = self.arms.index(baseline)
        self.base = wanted if wanted in arms else arms[0]
        self.users: Ints = np.flatnonzero(~(self.failed | self.absent)[arms].any(axis=0))
        self.expected = all(measured.has_expected(primary, arm) for arm in arms)
        figures = [self._figure(metric, arm) for metric in metrics for arm in arms]
        spreads = measured.spreads(figures, self.users, derive_seed(seed, "bootstrap"))
        self.spreads = {
            (f.metric.name, f.arm): spread for f, spread in zip(figures, spreads, strict=True)
        }
        self.tests = self._test_all()

    def _figure(self, metric: Metric, arm: int) -> Figure:
        return Figure(metric, arm, expected=self.expected and metric is self.primary)

    def _test_all(self) -> Mapping[tuple[str, int, int], _Test]:
        pairs = list(combinations(self.live, 2))
        wanted = [
            (metric, a, b)
            for metric in self.metrics
            for a, b in pairs
            if metric is self.primary or self.base in (a, b)
        ]
        ratios = [w for w in wanted if isinstance(w[0].measure, Ratio)]
        first = self.measured.columns([self._figure(m, a) for m, a, _ in ratios], self.users)
        second = self.measured.columns([self._figure(m, b) for m, _, b in ratios], self.users)
        p_values = paired_p_values(first, second, derive_seed(self.seed, "permutation"))
        tests: dict[tuple[str, int, int], _Test] = {}
        for column, (metric, a, b) in enumerate(ratios):
            one, other = [(above[:, column], below[:, column]) for above, below in (first, second)]
            n = int(np.count_nonzero((one[1] > 0) | (other[1] > 0)))
            difference = self._difference(metric, a, b, n)
            detectable = minimum_detectable(one, other)
            tests[metric.name, a, b] = _Test(difference, p_values[column], detectable)
        for metric, a, b in wanted:
            if (metric.name, a, b) not in tests:
                difference = self._difference(metric, a, b, len(self.users))
                tests[metric.name, a, b] = _Test(
                    difference, bootstrap_p_value(difference), minimum_detectable_of(difference)
                )
        return tests

    def _difference(self, metric: Metric, a: int, b: int, n: int) -> Spread:
        return self.spreads[metric.name, a].minus(self.spreads[metric.name, b], n)

    def _test(self, metric: Metric, a: int, b: int) -> _Test:
        if a < b:
            return self.tests[metric.name, a, b]
        known = self.tests[metric.name, b, a]
        turned = self._difference(metric, a, b, known.difference.n)
        return _Test(turned, known.p_value, known.minimum_detectable)

    def with_baseline(self) -> list[PairedDifference]:
        """Arm - baseline for every metric, the primary one first."""
        others = [arm for arm in self.live if arm != self.base]
        rows = []
        for metric in sorted(self.metrics, key=lambda m: m is not self.primary):
            tests = [self._test(metric, arm, self.base) for arm in others]
            primary = metric is self.primary
            adjusted = holm([t.p_value for t in tests]) if primary else [None] * len(tests)
            rows += [
                PairedDifference(
                    audience=self.measured.cells.audience,
                    arm=self.arms[arm],
                    baseline=self.arms[self.base],
                    metric=metric.name,
                    difference=test.difference.estimate(),
                    p_value=test.p_value,
                    p_holm=p_holm,
                    minimum_detectable=float(f"{test.minimum_detectable:.12g}"),
                    primary=primary,
                    excluded=len(self.measured.cells.users) - len(self.users),
                )
                for arm, test, p_holm in zip(others, tests, adjusted, strict=True)
            ]
        return rows

    def in_words(self) -> str:
        """The verdict of this audience, with bounds where failures differ between arms."""
        arms = self.live
        pairs = list(combinations(range(len(arms)), 2))
        tests = [self._test(self.primary, arms[a], arms[b]) for a, b in pairs]
        adjusted = holm([test.p_value for test in tests])
        failed = self.failed[arms].any(axis=0)
        contest = Contest(
            metric=self.primary,
            arms=tuple(self.arms[arm] for arm in arms),
            values=tuple(self.spreads[self.primary.name, arm].point for arm in arms),
            duels={
                pair: Duel(test.difference.estimate(), p, test.minimum_detectable)
                for pair, test, p in zip(pairs, tests, adjusted, strict=True)
            },
            n=len(self.users),
            failed=int(np.count_nonzero(failed)),
            unfinished=int(np.count_nonzero(self.absent[arms].any(axis=0) & ~failed)),
            expected=self.expected,
        )
        bounds = failure_bounds(contest, [self._lost(arm) for arm in arms])
        void = [name for arm, name in enumerate(self.arms) if arm not in arms]
        lost = f"Left out: {', '.join(void)}, where every visit failed." if void else ""
        return " ".join(part for part in (verdict(contest), lost, bounds) if part)

    def _lost(self, arm: int) -> Losses:
        sessions = self.measured.cells.sum(ints(self.measured.cells.sessions, "cell"))[arm].sum()
        failures = _visits(self.measured, finished=False)[arm].sum()
        known, failed = math.nan, self.failed[arm]
        if isinstance(self.primary.measure, Ratio):
            spared: Ints = np.flatnonzero(~failed)
            above, below = self.measured.columns([self._figure(self.primary, arm)], spared)
            known = float(above.sum() / below.sum()) if below.sum() else math.nan
        rate = float(failures / sessions) if sessions else math.nan
        return Losses(rate, known, float(failed.mean()) if len(failed) else math.nan)


def _visits(measured: Measured, *, finished: bool) -> Ints:
    """Visits of each user, shape (arms, users)."""
    cells = measured.cells
    sessions = cells.sessions[flags(cells.sessions, "finished") == finished]
    visits: Ints = cells.sum(ints(sessions, "cell")).sum(axis=1).astype(np.int64)
    return visits


def _losses(measured: Measured) -> tuple[Flags, Flags]:
    """Who failed in an arm, and who met it in fewer rounds than another; shape (arms, users)."""
    failed = _visits(measured, finished=False)
    met = failed + _visits(measured, finished=True)
    return failed > 0, met < met.max(axis=0, initial=0)
