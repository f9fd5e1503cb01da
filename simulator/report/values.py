"""Numbers as a reader wants them: few digits, a unit, a real minus sign, a dash for nothing."""

from __future__ import annotations

import math

from focusgroup.simulator.metrics.results import Estimate

from .facts import MetricFacts, ValueKind

NOTHING = "–"
_SPACE = "\u00a0"  # does not break across lines


def capital(text: str) -> str:
    """The text as the start of a sentence; a name such as ``nDCG`` keeps its letters."""
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.islower() else text


def count(number: int) -> str:
    """A count with thousands separated: ``12,345``."""
    return f"{number:,}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A count and what is counted: ``1 visit``, ``2 visits``, ``3 categories``."""
    return f"{count(number)} {noun if number == 1 else plural or noun + 's'}"


def p_text(p_value: float | None) -> str:
    """A p value to three decimals."""
    if p_value is None or math.isnan(p_value):
        return NOTHING
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def value_text(value: float, metric: MetricFacts, currency: str = "") -> str:
    """A value of the metric with its unit: ``12.3 %``, ``$4.20``, ``3.71 ★``, ``0.482``."""
    if not math.isfinite(value):
        return NOTHING
    digits, sign = _digits(value, metric), _sign(value, metric)
    match metric.kind:
        case ValueKind.PERCENT:
            return f"{sign}{digits}{_SPACE}%"
        case ValueKind.MONEY:
            return f"{sign}{currency}{digits}"
        case ValueKind.STARS:
            return f"{sign}{digits}{_SPACE}★"
        case ValueKind.NUMBER:
            return f"{sign}{digits}"


def interval_text(estimate: Estimate, metric: MetricFacts) -> str:
    """The interval without units: ``[10.1, 14.2]``."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return NOTHING
    low, high = (_sign(v, metric) + _digits(v, metric) for v in (estimate.low, estimate.high))
    return f"[{low}, {high}]"


def difference_text(value: float, metric: MetricFacts, currency: str = "") -> str:
    """A signed difference; of percentages in points: ``+2.1 pp``."""
    if not math.isfinite(value):
        return NOTHING
    shown = value_text(value, metric, currency)
    if metric.kind is ValueKind.PERCENT:
        shown = shown.replace("%", "pp")
    return shown if _sign(value, metric) or value <= 0 else f"+{shown}"


def _digits(value: float, metric: MetricFacts) -> str:
    size = abs(value)
    match metric.kind:
        case ValueKind.PERCENT:
            return f"{size:.1%}"[:-1]
        case ValueKind.MONEY | ValueKind.STARS:
            return f"{size:,.2f}"
        case ValueKind.NUMBER:
            return f"{size:,.{metric.decimals}f}"


def _sign(value: float, metric: MetricFacts) -> str:
    rounds_to_zero = not _digits(value, metric).strip("0.,")
    return "−" if value < 0 and not rounds_to_zero else ""
