"""What every arm achieved: the primary metric drawn, all metrics in a table, per audience."""

from __future__ import annotations

from collections.abc import Iterator

from focusgroup.simulator.metrics.results import Estimate, MetricRow

from .charts import Chart, Series, dots
from .facts import Better
from .markup import Html, escape, join, outside, tag
from .view import Section, View, table

_ARROW = {
    Better.HIGHER: ("\u00a0↑", "higher is better"),
    Better.LOWER: ("\u00a0↓", "lower is better"),
}


def outcomes(view: View) -> Section:
    """Metrics by arm with intervals."""
    blocks: list[Html | Chart] = [
        tag(
            "p",
            "Filled marks are sampled: they count what users did. Hollow marks are expected: sums "
            "of the probabilities behind those draws, with the same mean and less noise. They exist"
            " where a behaviour model was drawn from and the metric is additive.",
        ),
        view.arm_key(),
    ]
    for audience in view.audiences:
        rows = {(r.metric, r.arm): r for r in view.results.metrics if r.audience == audience}
        if not rows:
            continue
        blocks += [view.audience_heading(audience), *_drawing(view, audience, rows)]
        blocks.append(_table(view, audience, rows))
    blocks.append(_glossary(view))
    return Section("metrics", "Metrics by arm", tuple(blocks))


Rows = dict[tuple[str, str], MetricRow]


def _drawing(view: View, audience: str, rows: Rows) -> Iterator[Html | Chart]:
    name = view.results.comparison.primary
    metric = view.metric(name)
    shown = [(place, rows[name, arm]) for place, arm in enumerate(view.arms) if (name, arm) in rows]
    if not shown:
        return
    two = any(row.expected for _, row in shown)
    series = []
    for place, row in shown:
        estimates: list[Estimate] = [row.sampled, *([row.expected] if row.expected else [])]
        for nth, estimate in enumerate(estimates):
            at = place + (0.34 * nth - 0.17 if two else 0.0)
            kind = f"{row.arm}, {'expected' if nth else 'sampled'}"
            points = ((at, estimate),)
            series.append(Series(kind, view.marks[row.arm], points, hollow=bool(nth)))
    yield tag("p", outside(metric.label), class_="chart-title")
    label = f"{metric.label} by arm for {audience}: figures in the table below"
    yield dots(series, view.arms, metric, view.facts.dataset.currency, label)


def _table(view: View, audience: str, rows: Rows) -> Html:
    lines = []
    two = any(row.expected for row in rows.values())
    for name in view.metric_order(metric for metric, _ in rows):
        metric = view.metric(name)
        of_arms = [rows.get((name, arm)) for arm in view.arms]
        kinds = [("sampled", [row.sampled if row else None for row in of_arms])]
        if any(row and row.expected for row in of_arms):
            kinds.append(("expected", [row.expected if row else None for row in of_arms]))
        arrow, direction = _ARROW.get(metric.better, ("", None))
        primary = name == view.results.comparison.primary
        title = tag(
            "th",
            outside(metric.label),
            tag("span", arrow, title=direction, class_="arrow") if arrow else "",
            tag("span", "primary", class_="badge") if primary else "",
            scope="rowgroup",
            rowspan=str(len(kinds)),
        )
        for nth, (kind, estimates) in enumerate(kinds):
            cells = (
                tag("td", view.estimate(e, metric) if e else "–", class_="number")
                for e in estimates
            )
            label = tag("td", kind, class_="kind") if two else ""
            lines.append(tag("tr", title if nth == 0 else "", label, join(cells)))
    caption = f"All metrics of {audience}: mean [95\u00a0% interval]"
    head = ["Metric", *([""] if two else []), *map(view.arm_name, view.arms)]
    return table(head, lines, caption)


def _glossary(view: View) -> Html:
    names = view.metric_order(row.metric for row in view.results.metrics)
    told = [(m.label, m.description) for m in map(view.metric, names) if m.description]
    if not told:
        return escape("")
    entries = (
        join([tag("dt", outside(label)), tag("dd", outside(description))])
        for label, description in told
    )
    return tag("details", tag("summary", "What the metrics mean"), tag("dl", join(entries)))
