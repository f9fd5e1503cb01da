"""Warnings that a reader must see: results that contradict what real users went on to like."""

from __future__ import annotations

import pytest

from focusgroup.scenarios.outcome import disagreement
from focusgroup.simulator.metrics.results import (
    Comparison,
    Estimate,
    PairedDifference,
    Results,
)


def _results(primary: str, said: float, liked: float) -> Results:
    pairs = tuple(
        PairedDifference("all", "als", "popularity", metric, Estimate(d, d - 0.05, d + 0.05, 40),
                         0.01, None, 0.1, metric == primary, 0)
        for metric, d in ((primary, said), ("ndcg", liked))
    )  # fmt: skip
    comparison = Comparison("popularity", primary, pairs, {})
    return Results((), (), (), (), {}, (), comparison)


@pytest.mark.parametrize(
    ("primary", "said", "liked", "warning"),
    [
        ("click_rate", -0.2, 0.3, "put popularity above als"),
        ("click_rate", 0.2, -0.3, "put als above popularity"),
        ("click_rate", 0.2, 0.3, ""),
        ("click_rate", 0.04, -0.3, ""),
        ("click_rate", -0.2, 0.04, ""),
        ("coverage", -0.2, 0.3, ""),
    ],
)
def test_a_contradiction_beyond_both_intervals_is_said(
    primary: str, said: float, liked: float, warning: str
) -> None:
    found = disagreement(_results(primary, said, liked), "all")
    assert warning in found and bool(found) == bool(warning)
