"""Warnings that a reader must see: results that contradict what real users went on to like."""

from __future__ import annotations

import pytest

from focusgroup.scenarios.outcome import disagreement
from focusgroup.simulator.metrics.results import Comparison, Estimate, MetricRow, Results


def _results(primary: str, clicks: dict[str, float], likes: dict[str, float]) -> Results:
    def rows(metric: str, values: dict[str, float]) -> list[MetricRow]:
        return [
            MetricRow("all", arm, metric, Estimate(v, v - 0.05, v + 0.05, 40))
            for arm, v in values.items()
        ]

    metrics = (*rows(primary, clicks), *rows("ndcg", likes))
    return Results(metrics, (), (), (), {}, (), Comparison("a", primary, (), {}))


@pytest.mark.parametrize(
    ("primary", "clicks", "likes", "warned"),
    [
        ("click_rate", {"a": 0.5, "b": 0.2}, {"a": 0.1, "b": 0.4}, True),
        ("click_rate", {"a": 0.5, "b": 0.2}, {"a": 0.4, "b": 0.1}, False),
        ("click_rate", {"a": 0.5, "b": 0.45}, {"a": 0.1, "b": 0.4}, False),
        ("click_rate", {"a": 0.5, "b": 0.2}, {"a": 0.35, "b": 0.4}, False),
        ("coverage", {"a": 0.5, "b": 0.2}, {"a": 0.1, "b": 0.4}, False),
    ],
)
def test_a_contradiction_beyond_both_intervals_is_said(
    primary: str, clicks: dict[str, float], likes: dict[str, float], warned: bool
) -> None:
    said = disagreement(_results(primary, clicks, likes), "all")
    assert bool(said) == warned
    assert not said or "put a above b" in said
