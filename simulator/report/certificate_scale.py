"""The scale a row of a certificate is drawn on: its ends, and which part of it passes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from focusgroup.simulator.fidelity import ROWS, Row
from focusgroup.simulator.metrics.results import Estimate

Span = tuple[float, float]

_NUMBER = r"(-?\d*\.?\d+)(?: (%|points))?"
_FROM = re.compile(f">= {_NUMBER}")
_TO = re.compile(f"<= {_NUMBER}")
_BETWEEN = re.compile(rf"(-?\d*\.?\d+) to {_NUMBER}")
_NEAR_BEST = re.compile(rf">= the best baseline - {_NUMBER}")
_THAT_OF = re.compile(r"<= that of (.+)")
_MARGIN = 0.06  # of the scale, free at both ends
_APART = 26  # percent of the line that a label takes
_REACH = 3.0  # how far a baseline may stretch the scale, in lengths of what it is about


def band(words: str, row: Row) -> Span | None:
    """The part of the scale that these bars describe, endless where they are one-sided.

    Args:
        words: of a `Rule`: ``>= .70, and >= the best baseline - .02``. What is no bound of the
            figure itself (``lower end >= .4``) is left out.
        row: whose baselines the words may speak of.
    """
    low, high = -math.inf, math.inf
    best = max((e.mean for e in row.baselines.values() if not math.isnan(e.mean)), default=None)
    for clause in re.split(r",\s*(?:and )?", words):
        if found := _FROM.fullmatch(clause):
            low = max(low, _number(found[1], found[2]))
        elif found := _TO.fullmatch(clause):
            high = min(high, _number(found[1], found[2]))
        elif found := _BETWEEN.fullmatch(clause):
            low = max(low, _number(found[1], found[3]))
            high = min(high, _number(found[2], found[3]))
        elif (found := _NEAR_BEST.fullmatch(clause)) and best is not None:
            low = max(low, best - _number(found[1], found[2]))
        elif (found := _THAT_OF.fullmatch(clause)) and found[1] in row.baselines:
            high = min(high, row.baselines[found[1]].mean)
        elif clause == "interval above 0":
            low = max(low, 0.0)
        elif clause == "monotone":
            low = max(low, 1.0)
    return (low, high) if math.isfinite(low) or math.isfinite(high) else None


def _number(digits: str, unit: str | None) -> float:
    return round(float(digits) / 100, 9) if unit else float(digits)


@dataclass(frozen=True, slots=True)
class Scale:
    """From figures to places on a line, in percent of its length.

    Attributes:
        low, high: the ends of the line. passes, strong: bands of it, or None.
    """

    low: float
    high: float
    passes: Span | None
    strong: Span | None

    @classmethod
    def of(cls, row: Row) -> Scale:
        """A line that holds the figure, its interval, the bars and, within reason, the baselines.

        A baseline far away (saying yes to everything engages thirty times as often) would press
        all else into a point: it stands at the end of the line instead.
        """
        rule = ROWS[row.name]
        passes = band(rule.passes, row)
        strong = _both(passes, band(rule.strong, row)) if rule.strong else None
        bars = (end for span in (passes, strong) if span is not None for end in span)
        core = _finite([row.value, row.low, row.high, *bars])
        beside = _finite(end for e in row.baselines.values() for end in (e.mean, e.low, e.high))
        if not core:
            core = beside or [0.0, 1.0]
        low, high = min(core), max(core)
        length = (high - low) or abs(high) or 1.0
        low = min(low, max(min(beside, default=low), low - _REACH * length))
        high = max(high, min(max(beside, default=high), high + _REACH * length))
        margin = _MARGIN * ((high - low) or length)
        return cls(low - margin, high + margin, passes, strong)

    def place(self, value: float) -> float:
        """Percent from the left, in [0, 100]; what lies beyond an end stands at that end."""
        share = (value - self.low) / (self.high - self.low)
        return 100 * min(1.0, max(0.0, share))

    def beyond(self, value: float) -> bool:
        """Whether the value lies off the line."""
        return not self.low <= value <= self.high

    def extent(self, span: Span) -> Span:
        """Where a span begins and how long it is, in percent."""
        begin, end = self.place(span[0]), self.place(span[1])
        return begin, max(0.0, end - begin)

    def marks(self) -> tuple[tuple[float, str], ...]:
        """Bars worth a label under the line: figure and word; none stands close to another."""
        found: list[tuple[float, str]] = []
        for span, word in ((self.passes, "pass"), (self.strong, "strong")):
            for end in _finite(span or ()):
                if all(abs(self.place(end) - self.place(other)) > _APART for other, _ in found):
                    found.append((end, word))
        return tuple(sorted(found))


def _both(passes: Span | None, strong: Span | None) -> Span | None:
    """Strong is only what passes too."""
    if passes is None or strong is None:
        return strong
    low, high = max(passes[0], strong[0]), min(passes[1], strong[1])
    return (low, high) if low <= high else None


def _finite(values: Iterable[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def known(estimate: Estimate) -> bool:
    """Whether there is a figure to draw."""
    return math.isfinite(estimate.mean)
