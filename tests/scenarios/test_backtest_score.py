"""Figures of a backtest: each is what its name says, on predictions made by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pytest

from focusgroup.scenarios.backtest import ArmSpec, Observed, Question
from focusgroup.scenarios.backtest_predict import Prediction
from focusgroup.scenarios.backtest_score import BacktestResult, score
from focusgroup.scenarios.backtest_text import backtest_json, backtest_text
from focusgroup.simulator.metrics.results import Estimate

NAN = math.nan
ARM = ArmSpec(use="random")


def _said(
    name: str, mean: float, half: float, *, metric: str = "click_rate", same: bool = True,
    relative: bool = False,
) -> Prediction:  # fmt: skip
    question = Question(name, ARM, ARM, metric, relative, same)
    n = 0 if math.isnan(mean) else 50
    return Prediction(question, "a", "b", Estimate(mean, mean - half, mean + half, n), 50, 0)


def _was(mean: float, half: float) -> Observed:
    return Observed(mean, mean - half, mean + half)


def _scored(pairs: Sequence[tuple[Prediction, Observed]]) -> BacktestResult:
    named = {p.question.name: o for p, o in pairs}
    return score([p for p, _ in pairs], named, seed=1)


def test_direction_is_counted_over_all_clear_and_sure_tests() -> None:
    result = _scored(
        [
            (_said("right", 0.1, 0.05), _was(0.2, 0.1)),
            (_said("right, not sure", -0.1, 0.2), _was(-0.2, 0.1)),
            (_said("wrong, not clear", 0.1, 0.05), _was(-0.1, 0.2)),
            (_said("nothing observed", 0.1, 0.05), _was(0.0, 0.2)),
            (_said("nothing predicted", NAN, NAN), _was(0.1, 0.05)),
        ]
    )
    assert (result.direction.mean, result.direction.n) == (pytest.approx(2 / 3), 3)
    assert (result.clear.mean, result.clear.n) == (1.0, 2)
    assert (result.sure.mean, result.sure.n) == (0.5, 2)
    assert (result.always_b.mean, result.always_b.n) == (pytest.approx(1 / 3), 3)
    assert [t.prediction.question.name for t in result.wrong()] == ["wrong, not clear"]
    # Wilson's interval of 2 of 3, from the formula.
    z, p, n = 1.959964, 2 / 3, 3
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert result.direction.low == pytest.approx((centre - half) / (1 + z * z / n), abs=1e-5)


def test_outcomes_are_held_against_our_interval_and_both_together() -> None:
    result = _scored(
        [
            (_said("inside", 0.1, 0.05), _was(0.12, 0.01)),
            (_said("together", 0.1, 0.03), _was(0.145, 0.04)),
            (_said("apart", 0.1, 0.03), _was(0.16, 0.04)),
            (_said("another figure", 0.1, 0.03, same=False), _was(9.0, 0.1)),
        ]
    )
    inside = {t.prediction.question.name: (t.inside, t.covered) for t in result.tests}
    assert inside == {
        "inside": (True, True), "together": (False, True), "apart": (False, False),
        "another figure": (None, None),
    }  # fmt: skip
    assert (result.inside.mean, result.inside.n) == (pytest.approx(1 / 3), 3)
    assert result.covered.mean == pytest.approx(2 / 3)
    assert result.direction.mean == 1.0


def test_correlations_are_taken_metric_by_metric() -> None:
    monotone = [(_said(f"c{n}", 0.01 * n, 0.01), _was(0.01 * n**3, 0.01)) for n in range(1, 7)]
    against = [
        (_said(f"s{n}", 0.1 * n, 0.1, metric="mean_stars"), _was(-0.1 * n, 0.1))
        for n in range(1, 5)
    ]
    few = [(_said("r", 0.1, 0.1, relative=True), _was(0.2, 0.1))]
    clicks, stars, relative = _scored(monotone + against + few).correlations
    assert clicks.rank.mean == pytest.approx(1.0) and clicks.rank.n == 6
    assert 0.8 < clicks.linear.mean < 0.99
    assert clicks.linear.low <= clicks.linear.mean <= clicks.linear.high
    assert stars.linear.mean == pytest.approx(-1.0)
    assert math.isnan(relative.rank.mean) and relative.relative


def test_the_text_and_the_file_say_the_same() -> None:
    result = _scored(
        [
            (_said("good", 0.1, 0.05), _was(0.2, 0.1)),
            (_said("bad", 0.1, 0.05), _was(-0.2, 0.1)),
            (_said("lost", NAN, NAN), _was(0.1, 0.05)),
        ]
    )
    text = backtest_text(result)
    assert "0.50 [0.09, 0.91] of 2 tests" in text
    assert "Wrong: 1 test." in text and "bad: we said b - a = 10.0 points [5.0, 15.0]" in text
    assert "not predicted, every visit failed: lost" in text
    assert "too few different tests (2) to say" in text
    written = backtest_json(result, seed=1, dataset="d", audience="them", versions={})
    found = json.loads(written)
    assert found["wrong"] == ["bad"] and found["direction"]["value"] == 0.5
    assert found["tests"][2]["predicted"]["value"] is None and found["tests"][2]["right"] is None
    assert "NaN" not in written
    only = backtest_text(_scored([(_said("good", 0.1, 0.05), _was(0.2, 0.1))]))
    assert "No test was wrong." in only
