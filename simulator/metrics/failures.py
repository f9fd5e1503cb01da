"""Visits that failed: kept in every table, because what failed is not missing at random."""

from __future__ import annotations

from .cells import Cells, Sums, flags, ints
from .metric import Better, Metric, Ratio, Unit


def _failure_rate(cells: Cells) -> Sums:
    cell = ints(cells.sessions, "cell")
    return Sums(cells.sum(cell, ~flags(cells.sessions, "finished")), cells.sum(cell))


FAILURES = (
    Metric(
        "failure_rate",
        "failure rate",
        "Visits that ended in an unanswered page, over visits started.",
        Better.LOWER,
        Unit.SHARE,
        Ratio(_failure_rate),
        bounds=(0.0, 1.0),
    ),
)
