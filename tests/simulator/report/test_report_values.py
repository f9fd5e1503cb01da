"""Numbers read well: units, signs, points for percentages, a dash for nothing."""

from __future__ import annotations

import math

import pytest

from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.report.facts import MetricFacts, ValueKind
from focusgroup.simulator.report.palette import marks
from focusgroup.simulator.report.values import (
    capital,
    counted,
    difference_text,
    interval_text,
    p_text,
    value_text,
)

PERCENT = MetricFacts("", kind=ValueKind.PERCENT)
MONEY = MetricFacts("", kind=ValueKind.MONEY)
STARS = MetricFacts("", kind=ValueKind.STARS)
NUMBER = MetricFacts("", decimals=2)


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        (PERCENT, 0.1234, "12.3\u00a0%"),
        (PERCENT, -0.00001, "0.0\u00a0%"),
        (MONEY, 1234.5, "€1,234.50"),
        (MONEY, -3.0, "−€3.00"),
        (STARS, 3.714, "3.71\u00a0★"),
        (NUMBER, 2.5, "2.50"),
        (NUMBER, math.nan, "–"),
        (NUMBER, math.inf, "–"),
    ],
)
def test_a_value_has_its_unit(metric: MetricFacts, value: float, shown: str) -> None:
    assert value_text(value, metric, "€") == shown


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        (PERCENT, 0.021, "+2.1\u00a0pp"),
        (PERCENT, -0.021, "−2.1\u00a0pp"),
        (NUMBER, 0.0, "0.00"),
        (MONEY, 2.0, "+€2.00"),
        (NUMBER, math.nan, "–"),
    ],
)
def test_a_difference_has_a_sign_and_percentages_are_in_points(
    metric: MetricFacts, value: float, shown: str
) -> None:
    assert difference_text(value, metric, "€") == shown


def test_an_interval_has_both_ends_or_is_a_dash() -> None:
    assert interval_text(Estimate(0.1, -0.02, 0.3, 9), PERCENT) == "[−2.0, 30.0]"
    assert interval_text(Estimate(0.1, math.nan, 0.3, 9), PERCENT) == "–"


def test_small_words() -> None:
    assert (p_text(0.0004), p_text(0.04), p_text(None)) == ("< 0.001", "0.040", "–")
    assert (counted(1, "visit"), counted(1200, "visit")) == ("1 visit", "1,200 visits")
    assert (capital("click rate"), capital("nDCG@10")) == ("Click rate", "nDCG@10")


def test_many_arms_are_told_apart() -> None:
    arms = [f"arm {n}" for n in range(35)]
    looks = {(mark.colour, mark.symbol) for mark in marks(arms).values()}
    assert len(looks) == 35
