"""The same figures taken apart: over rounds, by trait, by slot, and stars against the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from focusgroup.simulator.metrics.results import Estimate

from .charts import Chart, Series, dots, lines, star_bars
from .facts import MetricFacts, StarCounts, ValueKind
from .markup import Html, join, outside, tag
from .palette import LOG_COLOUR, SIMULATED_COLOUR, Mark, marks
from .values import NOTHING, capital, count, counted, interval_text, value_text
from .view import Section, View, table

_RATE = MetricFacts("Click rate", kind=ValueKind.PERCENT)
_ROUNDS = (
    "Between two rounds the recommenders learn from their own arm’s visits. Bands are 95\u00a0% "
    "intervals."
)
_SLOTS = (
    "How often the item in each position was clicked, over all arms. The better item tends to "
    "stand higher, so a falling curve is not position bias alone."
)
_NO_SLOTS = (
    "The log holds no positions, so no effect of a slot was learned: what shows here was assumed, "
    "or is the model’s own."
)
Points = tuple[tuple[float, Estimate], ...]


def rounds(view: View) -> Section | None:
    """Metrics over rounds, a line an arm; None where there is one round only."""
    rows = view.results.rounds
    if len({row.round for row in rows}) < 2:
        return None
    blocks: list[Html | Chart] = [
        tag("p", _ROUNDS),
        view.arm_key(),
    ]
    for audience in view.audiences:
        own = [row for row in rows if row.audience == audience]
        if own:
            blocks.append(view.audience_heading(audience))
        for name in view.metric_order(row.metric for row in own):
            metric = view.metric(name)
            points: dict[str, list[tuple[float, Estimate]]] = {arm: [] for arm in view.arms}
            for row in own:
                if row.metric == name:
                    points[row.arm].append((float(row.round + 1), row.estimate))
            series = [Series(a, view.marks[a], tuple(p)) for a, p in points.items() if p]
            label = f"{metric.label} over rounds for {audience}"
            blocks.append(tag("p", outside(metric.label), class_="chart-title"))
            blocks.append(lines(series, metric, view.facts.dataset.currency, label, "round"))
            cells = {(f"{r.round + 1}", r.arm): r.estimate for r in own if r.metric == name}
            blocks.append(_figures(view, metric, "Round", cells, label))
    return Section("rounds", "Round by round", tuple(blocks))


def segments(view: View) -> Section:
    """The primary metric by trait segment, a chart a trait."""
    rows = view.results.segments
    if not rows:
        nothing = tag("p", "The users of this run carry no traits to tell them apart by.")
        return Section("segments", "By trait", (nothing,))
    blocks: list[Html | Chart] = [
        tag("p", "Who gains and who loses? Segments are small: read the intervals, not the dots."),
        view.arm_key(),
    ]
    for audience in view.audiences:
        own = [row for row in rows if row.audience == audience]
        if own:
            blocks.append(view.audience_heading(audience))
        for trait, name in dict.fromkeys((row.trait, row.metric) for row in own):
            here = [row for row in own if (row.trait, row.metric) == (trait, name)]
            names = list(dict.fromkeys(row.segment for row in here))
            series = []
            for place, arm in enumerate(view.arms):
                shift = 0.7 * ((place + 0.5) / len(view.arms) - 0.5)
                points = [
                    (names.index(r.segment) + shift, r.estimate) for r in here if r.arm == arm
                ]
                series.append(Series(arm, view.marks[arm], tuple(points)))
            metric = view.metric(name)
            title = tag("p", outside(metric.label), " by ", outside(trait), class_="chart-title")
            label = f"{metric.label} by {trait} for {audience}"
            blocks += [title, dots(series, names, metric, view.facts.dataset.currency, label)]
            cells = {(row.segment, row.arm): row.estimate for row in here}
            blocks.append(_figures(view, metric, "Segment", cells, label))
    return Section("segments", "By trait", tuple(blocks))


def slots(view: View) -> Section:
    """Click rate by position in the slate, a curve an audience."""
    rows = view.results.slots
    if not rows:
        return Section("slots", "Slot curve", (tag("p", "No page was answered."),))
    blocks: list[Html | Chart] = [tag("p", _SLOTS)]
    if "slot" in view.facts.dataset.unknown:
        blocks.append(tag("p", _NO_SLOTS, class_="note"))
    for audience in view.audiences:
        points = tuple((float(r.slot), r.estimate) for r in rows if r.audience == audience)
        if not points:
            continue
        series = [Series(audience, _neutral(), points)]
        chart = lines(series, _RATE, "", f"Click rate by slot for {audience}", "slot", height=220)
        blocks += [view.audience_heading(audience), chart, _slot_figures(points)]
    return Section("slots", "Slot curve", tuple(blocks))


def ratings(view: View) -> Section:
    """Histogram of stars, simulated beside the log's."""
    log = view.facts.log_ratings
    log = log if log and sum(log) else None
    blocks: list[Html | Chart] = []
    if log is None:
        blocks.append(tag("p", "The log holds no ratings to compare with.", class_="note"))
    for audience in view.audiences:
        stars = view.results.rating_histograms.get(audience, (0, 0, 0, 0, 0))
        blocks.append(view.audience_heading(audience))
        if not sum(stars):
            blocks.append(tag("p", "Nobody of this audience rated an item."))
            continue
        shares: list[tuple[str, str, StarCounts]] = [("simulated", SIMULATED_COLOUR, stars)]
        if log:
            shares.append(("the log", LOG_COLOUR, log))
        key = (_stars_key(name, colour, counts) for name, colour, counts in shares)
        blocks.append(tag("p", join(key), class_="key"))
        label = f"Ratings of 1 to 5 stars by {audience}"
        blocks += [star_bars(shares, label), _star_figures(shares, label)]
    return Section("ratings", "Ratings against the log", tuple(blocks))


def _star_figures(shares: Sequence[tuple[str, str, StarCounts]], caption: str) -> Html:
    rows = []
    for place in range(5):
        cells = join(tag("td", count(n[place]), class_="number") for _, _, n in shares)
        rows.append(tag("tr", tag("th", f"{place + 1} ★", scope="row"), cells))
    figures = table(("Stars", *(capital(name) for name, _, _ in shares)), rows, caption)
    return tag("details", tag("summary", "The figures"), figures)


def _stars_key(name: str, colour: str, counts: StarCounts) -> Html:
    mean = sum(star * n for star, n in enumerate(counts, 1)) / sum(counts)
    square = tag("path", d="M1 1h10v10H1z", fill=colour)
    swatch = tag("svg", square, class_="mark", viewBox="0 0 12 12", aria_hidden="true")
    told = f"{name}: {counted(sum(counts), 'rating')}, mean {mean:.2f} ★"
    return tag("span", swatch, told, class_="arm")


def _neutral() -> Mark:
    return marks(("",))[""]


def _figures(
    view: View,
    metric: MetricFacts,
    what: str,
    cells: Mapping[tuple[str, str], Estimate],
    caption: str,
) -> Html:
    rows = []
    for name in dict.fromkeys(row for row, _ in cells):
        of_arms = (cells.get((name, arm)) for arm in view.arms)
        shown = (view.estimate(e, metric) if e else NOTHING for e in of_arms)
        data = join(tag("td", cell, class_="number") for cell in shown)
        rows.append(tag("tr", tag("th", outside(name), scope="row"), data))
    figures = table((what, *map(view.arm_name, view.arms)), rows, caption)
    return tag("details", tag("summary", "The figures"), figures)


def _slot_figures(points: Points) -> Html:
    rows = []
    for slot, estimate in points:
        cells = (
            count(int(slot)),
            value_text(estimate.mean, _RATE),
            interval_text(estimate, _RATE),
            count(estimate.n),
        )
        rows.append(tag("tr", join(tag("td", cell, class_="number") for cell in cells)))
    head = ("Slot", "Click rate", "95\u00a0% interval", "Users")
    figures = table(head, rows, "Click rate by slot")
    return tag("details", tag("summary", "The figures"), figures)
