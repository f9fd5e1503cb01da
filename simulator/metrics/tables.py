"""Results as text: aligned tables for a terminal, and canonical JSON."""

from __future__ import annotations

import json
import math
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .metric import Metric
from .registry import METRICS, metric_named
from .results import Accounting, Estimate, MetricRow, PairedDifference, Results


def to_json(results: Results) -> str:
    """All results as JSON: keys sorted, floats in full, NaN as null, no times; the same results
    give the same bytes."""
    return json.dumps(
        _plain(asdict(results)), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False
    )


def _plain(value: Any) -> Any:  # whatever asdict() of a tree of dataclasses holds
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
    return value


def results_text(results: Results, width: int = 100) -> str:
    """Metrics, accounting and comparison, one after the other."""
    parts = [
        metrics_table(results, width),
        accounting_table(results),
        comparison_text(results, width),
    ]
    return "\n\n".join(parts)


def metrics_table(results: Results, width: int = 100) -> str:
    """Per audience, metrics by arm as ``mean [low, high]`` with n users; audiences never mix.

    Arms that do not fit into `width` columns continue in a further block. The primary metric is
    marked by a star; estimates from stored probabilities stand below the sampled ones.
    """
    blocks = []
    for audience in _distinct(row.audience for row in results.metrics):
        rows = [row for row in results.metrics if row.audience == audience]
        blocks.append(f"Audience {audience} (95 % intervals over users; * decides)")
        by_arm = [[row for row in rows if row.arm == arm] for arm in _distinct(r.arm for r in rows)]
        primary = results.comparison.primary
        blocks += [_metric_block(arms, primary) for arms in _fitting(by_arm, primary, width)]
    return "\n\n".join(blocks)


def _fitting(
    by_arm: Sequence[Sequence[MetricRow]], primary: str, width: int
) -> list[list[Sequence[MetricRow]]]:
    blocks: list[list[Sequence[MetricRow]]] = []
    for arm in by_arm:
        if blocks and _widest(_metric_block([*blocks[-1], arm], primary)) <= width:
            blocks[-1].append(arm)
        else:
            blocks.append([arm])
    return blocks


def _metric_block(arms: Sequence[Sequence[MetricRow]], primary: str) -> str:
    lines = [["", *(arm[0].arm for arm in arms), "n"]]
    for rows in zip(*arms, strict=True):
        metric = metric_named(rows[0].metric)
        star = " *" if metric.name == primary else ""
        estimates = [row.sampled for row in rows]
        cells = [estimate_text(metric, e) for e in estimates]
        lines.append([metric.label + star, *cells, _users(estimates)])
        expected = [row.expected for row in rows]
        known = [e for e in expected if e is not None]
        if known:
            cells = ["" if e is None else estimate_text(metric, e) for e in expected]
            lines.append(["  expected", *cells, _users(known)])
    return aligned(lines)


def _users(estimates: Sequence[Estimate]) -> str:
    counts = sorted({estimate.n for estimate in estimates})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"


def estimate_text(metric: Metric, estimate: Estimate) -> str:
    """``12.3 % [11.0, 13.5]``; without an interval ``12.3 %``, without a value a dash."""
    mean = metric.text(estimate.mean)
    if math.isnan(estimate.low):
        return mean
    low, high = (metric.text(end).removesuffix(" %") for end in (estimate.low, estimate.high))
    return f"{mean} [{low}, {high}]"


def rounds_table(results: Results) -> str:
    """First and last round of the primary metric, click rate and diversity; "" with one round."""
    last = max((row.round for row in results.rounds), default=0)
    if not last:
        return ""
    primary = results.comparison.primary
    shown = dict.fromkeys((primary, "click_rate", "intra_list_diversity", "coverage", "gini"))
    found = {(r.audience, r.metric, r.arm, r.round): r.estimate for r in results.rounds}
    lines = [["audience", "metric", "arm", "round 1", f"round {last + 1}"]]
    for audience, metric, arm in dict.fromkeys(key[:3] for key in found):
        if metric in shown:
            ends = [found.get((audience, metric, arm, r)) for r in (0, last)]
            known = metric_named(metric)
            cells = ["-" if e is None else estimate_text(known, e) for e in ends]
            lines.append([audience, known.label, arm, *cells])
    return aligned(lines)


def accounting_table(results: Results) -> str:
    """Where every visit and page went: visits = left + limit + failed; pages = answered +
    failed."""
    visits, pages = ["visits", "left", "limit", "failed"], ["pages", "answered", "failed"]
    header = ["audience", "arm", *visits, *pages, "why pages failed", "reviews", "ungrounded"]
    return aligned([header, *(_account(row) for row in results.accounting)])


def _account(row: Accounting) -> list[str]:
    causes = ", ".join(f"{cause} {count}" for cause, count in sorted(row.causes.items())) or "-"
    visits = (row.sessions, row.left, row.limit, row.failed_sessions)
    pages = (row.pages, row.answered, row.failed_pages)
    reviews = (row.reviews, row.ungrounded_reviews)
    return [row.audience, row.arm, *map(str, (*visits, *pages)), causes, *map(str, reviews)]


def comparison_text(results: Results, width: int = 100, *, exploratory: bool = False) -> str:
    """Per audience the verdict and the paired differences of the primary metric.

    Args:
        exploratory: also the other metrics, uncorrected for how many there are.
    """
    comparison = results.comparison
    blocks = []
    for audience, verdict in comparison.verdicts.items():
        pairs = [p for p in comparison.pairs if p.audience == audience]
        lines = [f"Audience {audience}", *textwrap.wrap(verdict, width)]
        decisive = [p for p in pairs if p.primary]
        if decisive:
            label = METRICS[comparison.primary].label
            lines += ["", f"Paired differences of {label}:", _pair_table(decisive)]
        others = [p for p in pairs if not p.primary]
        if exploratory and others:
            lines += ["", "Exploratory, not corrected for their number:", _pair_table(others)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _pair_table(pairs: Sequence[PairedDifference]) -> str:
    lines = [["arms", "metric", "difference", "p", "p (Holm)", "detectable", "n", "left out"]]
    for pair in pairs:
        metric, d = metric_named(pair.metric), pair.difference
        difference = metric.difference_text(d.mean)
        if not math.isnan(d.low):
            ends = [metric.difference_text(end, unit=False) for end in (d.low, d.high)]
            difference += f" [{', '.join(ends)}]"
        detectable = metric.difference_text(pair.minimum_detectable)
        p_values = [_p(pair.p_value), "" if pair.p_holm is None else _p(pair.p_holm)]
        names = [f"{pair.arm} - {pair.baseline}", metric.label]
        lines.append([*names, difference, *p_values, detectable, str(d.n), str(pair.excluded)])
    return aligned(lines)


def _p(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell; a CJK character takes two columns."""
    widths = [max(_columns(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _columns(cell)) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _widest(block: str) -> int:
    return max(_columns(line) for line in block.split("\n"))


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
