"""Plotly figures as plain data. Colours of text and grids are left to the style sheet, so that one
drawing serves light, dark and print."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from focusgroup.simulator.metrics.results import Estimate

from .facts import MetricFacts, ValueKind
from .markup import Html, plot_text, tag
from .palette import Mark
from .values import difference_text, interval_text, value_text

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
_LABEL = 22
_HOVER = "%{text}<extra></extra>"


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure.

    Attributes:
        label: what it shows, for those who cannot see it.
        height: CSS pixels.
    """

    traces: tuple[Mapping[str, Json], ...]
    layout: Mapping[str, Json]
    label: str
    height: int

    def place(self, chart_id: str) -> Html:
        """The element the figure is drawn into."""
        return tag(
            "div",
            id=chart_id,
            class_="plot",
            role="img",
            aria_label=self.label,
            style=f"height:{self.height}px",
        )

    def figure(self) -> Mapping[str, Json]:
        """What plotly draws."""
        return {"data": self.traces, "layout": {**self.layout, "height": self.height}}


@dataclass(frozen=True, slots=True)
class Series:
    """Estimates that belong together.

    Attributes:
        points: (place on the category or number axis, estimate).
        hollow: drawn as an outline with a thin interval.
    """

    name: str
    mark: Mark
    points: tuple[tuple[float, Estimate], ...]
    hollow: bool = False


def dots(
    series: Sequence[Series],
    rows: Sequence[str],
    metric: MetricFacts,
    currency: str,
    label: str,
    *,
    zero: bool = False,
) -> Chart:
    """Dots with intervals, one row a category, the first on top.

    Args:
        rows: names of rows 0, 1, ...; points lie at these numbers or near them.
        zero: whether these are differences: a line at zero, percentages in points.
    """
    points = zero and metric.kind is ValueKind.PERCENT
    scale = 100.0 if points else 1.0
    write = difference_text if zero else value_text
    traces: list[Mapping[str, Json]] = []
    for one in series:
        shown = [(place, e) for place, e in one.points if math.isfinite(e.mean)]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": plot_text(one.name),
                "x": [scale * e.mean for _, e in shown],
                "y": [place for place, _ in shown],
                "text": [_hover(one.name, e, metric, currency, write) for _, e in shown],
                "hovertemplate": _HOVER,
                "marker": _marker(one),
                "error_x": _whiskers([e for _, e in shown], one, scale),
                "showlegend": False,
            }
        )
    rows_axis: dict[str, Json] = {
        "tickmode": "array",
        "tickvals": list(range(len(rows))),
        "ticktext": [plot_text(row, _LABEL) + "  " for row in rows],
        "range": [len(rows) - 0.4, -0.6],
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
        "automargin": True,
    }
    values = _value_axis(metric, currency)
    if zero:
        values |= {"zeroline": True, "rangemode": "tozero"}
    if points:
        values |= {"tickformat": "", "ticksuffix": " pp"}
    height = 56 + max(34 * len(rows), 20 * sum(len(one.points) for one in series))
    return Chart(tuple(traces), _layout(values, rows_axis), label, height)


def lines(
    series: Sequence[Series],
    metric: MetricFacts,
    currency: str,
    label: str,
    places: str,
    *,
    height: int = 250,
) -> Chart:
    """Lines with bands over whole numbers (rounds, slots).

    Args:
        places: what the numbers count, as the title of the axis.
    """
    traces: list[Mapping[str, Json]] = []
    for one in series:
        shown = sorted((place, e) for place, e in one.points if math.isfinite(e.mean))
        band = [(place, e) for place, e in shown if math.isfinite(e.low) and math.isfinite(e.high)]
        xs: list[Json] = [place for place, _ in shown]
        edge = [*band, *reversed(band)]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [place for place, _ in edge],
                "y": [e.high for _, e in band] + [e.low for _, e in reversed(band)],
                "fill": "toself",
                "fillcolor": _faint(one.mark.colour),
                "line": {"width": 0},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": plot_text(one.name),
                "x": xs,
                "y": [e.mean for _, e in shown],
                "text": [_hover(one.name, e, metric, currency) for _, e in shown],
                "hovertemplate": _HOVER,
                "line": {"color": one.mark.colour, "width": 2.2},
                "marker": _marker(one),
                "showlegend": False,
            }
        )
    ticks = sorted({int(place) for one in series for place, _ in one.points})
    counted: dict[str, Json] = {
        "title": {"text": plot_text(places)},
        "tickmode": "array",
        "tickvals": ticks[:: max(1, len(ticks) // 12)],
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
        "automargin": True,
    }
    return Chart(tuple(traces), _layout(counted, _value_axis(metric, currency)), label, height)


def star_bars(shares: Sequence[tuple[str, str, Sequence[int]]], label: str) -> Chart:
    """Shares of 1 to 5 stars side by side.

    Args:
        shares: (name, colour, five counts); the counts sum to more than zero.
    """
    stars: list[Json] = [f"{n} ★" for n in range(1, 6)]
    traces: list[Mapping[str, Json]] = []
    for name, colour, counts in shares:
        part = [n / sum(counts) for n in counts]
        traces.append(
            {
                "type": "bar",
                "name": plot_text(name),
                "x": stars,
                "y": part,
                "text": [
                    f"{plot_text(name)}: {p:.1%}".replace("%", " %") + f" ({n:,})"
                    for p, n in zip(part, counts, strict=True)
                ],
                "textposition": "none",
                "hovertemplate": _HOVER,
                "marker": {"color": colour},
                "showlegend": False,
            }
        )
    axis: dict[str, Json] = {"type": "category", "fixedrange": True, "showgrid": False}
    values = _value_axis(MetricFacts("", kind=ValueKind.PERCENT), "") | {"rangemode": "tozero"}
    layout = {**_layout(axis, values), "bargap": 0.28, "bargroupgap": 0.06}
    return Chart(tuple(traces), layout, label, 240)


def _hover(
    name: str,
    estimate: Estimate,
    metric: MetricFacts,
    currency: str,
    write: Callable[[float, MetricFacts, str], str] = value_text,
) -> str:
    value = plot_text(write(estimate.mean, metric, currency))
    return (
        f"{plot_text(name, 60)}: <b>{value}</b> {interval_text(estimate, metric)}"
        f" · n = {estimate.n:,}"
    )


def _marker(one: Series) -> Mapping[str, Json]:
    symbol = one.mark.symbol + ("-open" if one.hollow else "")
    outline = 2 if one.hollow else 0
    return {
        "color": one.mark.colour,
        "symbol": symbol,
        "size": 11,
        "line": {"width": outline},
    }


def _whiskers(estimates: Sequence[Estimate], one: Series, scale: float) -> Mapping[str, Json]:
    return {
        "type": "data",
        "array": [scale * _reach(e.high - e.mean) for e in estimates],
        "arrayminus": [scale * _reach(e.mean - e.low) for e in estimates],
        "color": one.mark.colour,
        "thickness": 1.5 if one.hollow else 2.5,
        "width": 0,
    }


def _reach(length: float) -> float:
    return max(0.0, length) if math.isfinite(length) else 0.0


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"


def _value_axis(metric: MetricFacts, currency: str) -> dict[str, Json]:
    axis: dict[str, Json] = {
        "zeroline": False,
        "fixedrange": True,
        "automargin": True,
        "nticks": 6,
        "separatethousands": True,
    }
    if metric.kind is ValueKind.PERCENT:
        axis["tickformat"] = "~%"
    if metric.kind is ValueKind.MONEY:
        axis["tickprefix"] = plot_text(currency)
    return axis


def _layout(x_axis: Mapping[str, Json], y_axis: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "xaxis": x_axis,
        "yaxis": y_axis,
        "margin": {"l": 8, "r": 16, "t": 8, "b": 36},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "inherit", "size": 13},
        "hovermode": "closest",
        "dragmode": False,
        "showlegend": False,
    }
