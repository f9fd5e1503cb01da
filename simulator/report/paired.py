"""Which arm is ahead of the baseline, user by user."""

from __future__ import annotations

from collections.abc import Iterator

from focusgroup.simulator.metrics.results import PairedDifference

from .charts import Chart, Series, dots
from .markup import Html, escape, join, outside, tag
from .values import count, counted, difference_text, p_text
from .view import Section, View, table

_HEAD = ("Arm", "Difference", "p", "p (Holm)", "Detectable", "Users", "Left out")


def paired(view: View) -> Section:
    """Paired differences to the baseline: the deciding metric, then the exploratory ones."""
    comparison = view.results.comparison
    if not comparison.pairs:
        nothing = tag("p", "Nothing was compared: this takes at least two arms.")
        return Section("comparison", "Paired comparison", (nothing,))
    blocks: list[Html | Chart] = [
        tag(
            "p",
            "Every user met every arm, so arms are compared within users. Each difference is an "
            "arm minus the baseline, ",
            view.arm_name(comparison.baseline),
            ". Users who failed in any compared arm are left out of all of them. “Detectable” is "
            "the smallest true difference that a run of this size finds with 80\u00a0% power.",
        )
    ]
    for audience in view.audiences:
        pairs = [pair for pair in comparison.pairs if pair.audience == audience]
        if pairs:
            blocks += [view.audience_heading(audience), *_of_audience(view, audience, pairs)]
    return Section("comparison", "Paired comparison", tuple(blocks))


def _of_audience(
    view: View, audience: str, pairs: list[PairedDifference]
) -> Iterator[Html | Chart]:
    deciding = sorted((p for p in pairs if p.primary), key=lambda p: view.arms.index(p.arm))
    if deciding:
        metric = view.metric(deciding[0].metric)
        arms = [pair.arm for pair in deciding]
        series = [
            Series(pair.arm, view.marks[pair.arm], ((float(place), pair.difference),))
            for place, pair in enumerate(deciding)
        ]
        baseline = view.results.comparison.baseline
        title = (outside(metric.label), " minus that of ", outside(baseline))
        yield tag("p", *title, class_="chart-title")
        label = f"{metric.label}: differences to {baseline} for {audience}"
        yield dots(series, arms, metric, view.facts.dataset.currency, label, zero=True)
        caption = f"{metric.label} decides; p corrected over arms (Holm)"
        yield table(_HEAD, (_row(view, pair) for pair in deciding), caption)
    yield _exploratory(view, [pair for pair in pairs if not pair.primary])


def _exploratory(view: View, pairs: list[PairedDifference]) -> Html:
    if not pairs:
        return escape("")
    names = view.metric_order(pair.metric for pair in pairs)
    head = ("Metric", *_HEAD)
    rows = []
    for name in names:
        of_metric = [pair for pair in pairs if pair.metric == name]
        of_metric.sort(key=lambda pair: view.arms.index(pair.arm))
        title = tag(
            "th", outside(view.metric(name).label), scope="rowgroup", rowspan=str(len(of_metric))
        )
        rows += [_row(view, pair, title if nth == 0 else "") for nth, pair in enumerate(of_metric)]
    caption = "Exploratory: not corrected for the number of looks; ideas for the next run"
    summary = tag("summary", f"Exploratory comparisons ({counted(len(names), 'metric')})")
    return tag("details", summary, table(head, rows, caption))


def _row(view: View, pair: PairedDifference, title: Html | str = "") -> Html:
    metric = view.metric(pair.metric)
    detectable = difference_text(
        abs(pair.minimum_detectable), metric, view.facts.dataset.currency
    ).replace("+", "±")
    numbers = (
        view.estimate(pair.difference, metric, signed=True),
        p_text(pair.p_value),
        p_text(pair.p_holm),
        detectable,
        count(pair.difference.n),
        count(pair.excluded),
    )
    cells = join(tag("td", number, class_="number") for number in numbers)
    return tag("tr", title, tag("th", view.arm_name(pair.arm), scope="row"), cells)
