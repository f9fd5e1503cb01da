"""All figures of one audience: sums by cell taken once, then spread over users on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .bootstrap import Spread, catalogue_spreads, ratio_spreads
from .cells import Cells, Ints, Sums, codes, ints
from .exposures import Floats
from .metric import Metric, OverCatalogue, Ratio


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that is wanted.

    Attributes:
        arm: index into the arms.
        round: index into the rounds, None for all of them.
        expected: from stored probabilities instead of drawn actions.
    """

    metric: Metric
    arm: int
    round: int | None = None
    expected: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """The sums of one audience, by metric name."""

    cells: Cells
    sampled: Mapping[str, Sums]
    expected: Mapping[str, Sums]

    def has_expected(self, metric: Metric, arm: int) -> bool:
        """Whether every answered page of this arm stored what the metric's expectation needs."""
        sums = self.expected.get(metric.name)
        if sums is None:
            return False
        below = sums.denominator[arm].sum()
        return bool(below > 0 and not np.isnan(sums.numerator[arm].sum()))

    def columns(self, figures: Sequence[Figure], users: Ints) -> tuple[Floats, Floats]:
        """Numerators and denominators of ratio figures, shape (users, figures) each."""
        above = np.zeros((len(users), len(figures)))
        below = np.zeros((len(users), len(figures)))
        for column, figure in enumerate(figures):
            sums = (self.expected if figure.expected else self.sampled)[figure.metric.name]
            for target, source in ((above, sums.numerator), (below, sums.denominator)):
                part = source[figure.arm]
                of_user = part.sum(axis=0) if figure.round is None else part[figure.round]
                target[:, column] = of_user[users]
        return above, below

    def spreads(self, figures: Sequence[Figure], users: Ints, seed: int) -> list[Spread]:
        """One spread a figure, all over the same samples of these users (indices)."""
        found: dict[int, Spread] = {}
        ratios = [n for n, f in enumerate(figures) if isinstance(f.metric.measure, Ratio)]
        columns = self.columns([figures[n] for n in ratios], users)
        found.update(zip(ratios, ratio_spreads(*columns, seed), strict=True))
        by_source: dict[tuple[int, int | None], list[tuple[int, OverCatalogue]]] = {}
        for n, figure in enumerate(figures):
            if isinstance(measure := figure.metric.measure, OverCatalogue):
                by_source.setdefault((figure.arm, figure.round), []).append((n, measure))
        n_items = len(self.cells.context.catalog)
        for (arm, round_), wanted in by_source.items():
            counts = self.exposure_counts(arm, round_)[users]
            spread = catalogue_spreads(counts, n_items, [measure for _, measure in wanted], seed)
            found.update(zip([n for n, _ in wanted], spread, strict=True))
        return [found[n] for n in range(len(figures))]

    def exposure_counts(self, arm: int, round: int | None = None) -> sparse.csr_array:
        """How often each user was shown each item, shape (users, items)."""
        shown, (_, rounds, users) = self.cells.exposures, self.cells.shape
        cell = ints(shown, "cell")
        own = cell // (rounds * users) == arm
        if round is not None:
            own &= cell // users % rounds == round
        rows, columns = cell[own] % users, codes(shown, "item_id")[own]
        shape = (users, len(shown["item_id"].cat.categories))
        return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


def measure(cells: Cells, metrics: Sequence[Metric]) -> Measured:
    """Take the sums of every ratio metric, sampled and expected."""
    ratios = {m.name: m.measure for m in metrics if isinstance(m.measure, Ratio)}
    return Measured(
        cells,
        {name: ratio.sums(cells) for name, ratio in ratios.items()},
        {n: ratio.expected(cells) for n, ratio in ratios.items() if ratio.expected is not None},
    )
