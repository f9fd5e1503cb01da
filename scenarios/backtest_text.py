"""A backtest in words for a terminal, and as JSON."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping

from focusgroup.simulator.metrics import Metric, metric_named
from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.metrics.tables import aligned

from .backtest_predict import Prediction
from .backtest_score import BacktestResult, Correlation, Judged

WIDTH, NAME = 100, 48
EXPECTED = 0.95  # of outcomes lie inside 95 % intervals that are right


def backtest_text(result: BacktestResult) -> str:
    """Each test with prediction and outcome; then how often, how closely, and which were wrong."""
    kinds = {_kind(test.prediction) for test in result.tests}
    sizes = {_size(test) for test in result.tests}
    head = ["test", "we said B - A", "came out", "direction"]
    head += ["metric"] * (len(kinds) > 1) + ["users"] * (len(sizes) > 1)
    lines = [head]
    for test in result.tests:
        p = test.prediction
        name = p.question.name
        line = [
            name if len(name) <= NAME else f"{name[: NAME - 1]}…",
            _figure(p, p.difference),
            _figure(p, _observed(test)),
            _direction(test),
        ]
        line += [_kind(p)] * (len(kinds) > 1) + [_size(test)] * (len(sizes) > 1)
        lines.append(line)
    parts = []
    if len(kinds) == 1:
        parts.append(f"Metric: {kinds.copy().pop()}. Intervals are 95 %.")
    if len(sizes) == 1:
        parts.append(f"Simulated users: {sizes.copy().pop()}.")
    parts += ["", aligned(lines), "", _shares(result)]
    parts += [_correlation(found) for found in result.correlations]
    if result.covered.n and result.covered.high < EXPECTED:
        parts += textwrap.wrap(
            "Our intervals are too narrow: they hold the chance of who was simulated, not the error"
            " of the simulation. Trust directions more than sizes.",
            WIDTH,
        )
    parts += ["", *_misses(result)]
    return "\n".join(parts)


def _kind(prediction: Prediction) -> str:
    label = metric_named(prediction.question.metric).label
    return f"{label}, relative" if prediction.question.relative else label


def _size(test: Judged) -> str:
    p = test.prediction
    return str(p.difference.n) + (f", {p.excluded} failed" if p.excluded else "")


def _direction(test: Judged) -> str:
    if test.right is None:
        return "-"
    sure = "" if test.sure else ", not sure"
    return ("right" if test.right else "WRONG") + sure


def _observed(test: Judged) -> Estimate:
    return Estimate(test.observed.difference, test.observed.low, test.observed.high, 0)


def _figure(prediction: Prediction, estimate: Estimate) -> str:
    if math.isnan(estimate.mean):
        return "-"
    metric, relative = metric_named(prediction.question.metric), prediction.question.relative
    mean = _difference(metric, estimate.mean, relative, unit=True)
    if math.isnan(estimate.low):
        return mean
    ends = (_difference(metric, v, relative, unit=False) for v in (estimate.low, estimate.high))
    return f"{mean} [{', '.join(ends)}]"


def _difference(metric: Metric, value: float, relative: bool, *, unit: bool) -> str:
    if relative:
        return f"{100 * value:+.1f}" + (" %" if unit else "")
    return metric.difference_text(value, unit=unit)


def _shares(result: BacktestResult) -> str:
    lines = [
        ["direction predicted right", _share(result.direction)],
        ["  where the outcome was clear", _share(result.clear)],
        ["  where we were sure", _share(result.sure)],
        ['  by saying "B wins" each time', _share(result.always_b)],
        ["outcomes inside our 95 % interval", _share(result.inside)],
        ["  ours and theirs together", _share(result.covered)],
    ]
    return aligned(lines)


def _share(found: Estimate) -> str:
    if not found.n:
        return "no such test"
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}] of {_tests(found.n)}"


def _correlation(found: Correlation) -> str:
    label = metric_named(found.metric).label + (", relative" if found.relative else "")
    if math.isnan(found.rank.mean):
        return f"correlation of {label}: too few different tests ({found.rank.n}) to say"
    rank, linear = (f"{e.mean:.2f} [{e.low:.2f}, {e.high:.2f}]" for e in (found.rank, found.linear))
    return (
        f"correlation of {label}: of ranks (Spearman) {rank}, linear (Pearson) {linear},"
        f" {_tests(found.rank.n)}"
    )


def _misses(result: BacktestResult) -> list[str]:
    lines = []
    for test in result.wrong():
        p = test.prediction
        told = (
            f"  {p.question.name}: we said {p.arm_b} - {p.arm_a} ="
            f" {_figure(p, p.difference)}, observed {_figure(p, _observed(test))}"
            + ("" if test.observed.clear else "; the outcome itself is not clear")
        )
        lines += textwrap.wrap(told, WIDTH, subsequent_indent="    ")
    lost = [t.prediction.question.name for t in result.tests
            if math.isnan(t.prediction.difference.mean)]  # fmt: skip
    head = [f"Wrong: {_tests(len(result.wrong()))}."] if lines else ["No test was wrong."]
    if lost:
        lines.append(f"  not predicted, every visit failed: {', '.join(lost)}")
    return head + lines


def _tests(n: int) -> str:
    return f"{n} test" if n == 1 else f"{n} tests"


def backtest_json(
    result: BacktestResult, *, seed: int, dataset: str, audience: str, versions: Mapping[str, str]
) -> str:
    """All of it as JSON: keys sorted, NaN as null, no times; the same bytes for the same result.

    Args:
        dataset: fingerprint of the data. audience: who answered, in words.
    """
    content = {
        "seed": seed,
        "dataset": dataset,
        "audience": audience,
        "versions": dict(versions),
        "tests": [_test(test) for test in result.tests],
        "direction": _plain(result.direction),
        "direction_clear": _plain(result.clear),
        "direction_sure": _plain(result.sure),
        "always_b": _plain(result.always_b),
        "inside_our_interval": _plain(result.inside),
        "inside_both_intervals": _plain(result.covered),
        "correlations": [
            {
                "metric": c.metric,
                "relative": c.relative,
                "rank": _plain(c.rank),
                "linear": _plain(c.linear),
            }
            for c in result.correlations
        ],
        "wrong": [test.prediction.question.name for test in result.wrong()],
    }
    return json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _test(test: Judged) -> dict[str, object]:
    p = test.prediction
    return {
        "name": p.question.name,
        "a": p.arm_a,
        "b": p.arm_b,
        "metric": p.question.metric,
        "relative": p.question.relative,
        "predicted": _plain(p.difference),
        "users_in_both": p.both,
        "users_failed": p.excluded,
        "observed": {
            "difference": test.observed.difference,
            "low": test.observed.low,
            "high": test.observed.high,
        },
        "right": test.right,
        "inside_our_interval": test.inside,
        "inside_both_intervals": test.covered,
    }


def _plain(found: Estimate) -> dict[str, float | int | None]:
    def known(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "value": known(found.mean),
        "low": known(found.low),
        "high": known(found.high),
        "n": found.n,
    }
