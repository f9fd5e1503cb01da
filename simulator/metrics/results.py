"""The shape of results: every mean has an interval and an n, every table accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean (or ratio) with its 95 % bootstrap interval over users; NaN where n is 0."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of one arm of one audience.

    Attributes:
        sampled: from the drawn actions.
        expected: from stored probabilities, where that is unbiased; else None.
    """

    audience: str
    arm: str
    metric: str
    sampled: Estimate
    expected: Estimate | None = None


@dataclass(frozen=True, slots=True)
class RoundRow:
    """One metric of one arm in one round."""

    audience: str
    arm: str
    round: int
    metric: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """The primary metric of one arm among the users of one trait segment."""

    audience: str
    arm: str
    trait: str
    segment: str
    metric: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class SlotRow:
    """Click rate at one 1-based slot (position in the slate), over all arms of an audience."""

    audience: str
    slot: int
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Accounting:
    """Where every session and page went. sessions = left + limit + failed_sessions;
    pages = answered + failed_pages."""

    audience: str
    arm: str
    sessions: int
    left: int
    limit: int
    failed_sessions: int
    pages: int
    answered: int
    failed_pages: int
    causes: Mapping[str, int] = field(default_factory=dict)
    leave_reasons: Mapping[str, int] = field(default_factory=dict)
    reviews: int = 0
    ungrounded_reviews: int = 0


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """arm - baseline on one metric, paired on the users who failed in no compared arm.

    Attributes:
        p_value: two-sided; `p_holm` after Holm's correction over arms (primary metric only).
        minimum_detectable: smallest true difference found with 80 % power at this n.
        primary: whether this metric decides; all others are exploratory.
        excluded: users left out because they failed in some arm.
    """

    audience: str
    arm: str
    baseline: str
    metric: str
    difference: Estimate
    p_value: float
    p_holm: float | None
    minimum_detectable: float
    primary: bool
    excluded: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The paired comparison of all arms, one verdict in words per audience."""

    baseline: str
    primary: str
    pairs: tuple[PairedDifference, ...]
    verdicts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Results:
    """All that tables and reports show of a run."""

    metrics: tuple[MetricRow, ...]
    rounds: tuple[RoundRow, ...]
    segments: tuple[SegmentRow, ...]
    slots: tuple[SlotRow, ...]
    rating_histograms: Mapping[str, tuple[int, int, int, int, int]]
    accounting: tuple[Accounting, ...]
    comparison: Comparison
