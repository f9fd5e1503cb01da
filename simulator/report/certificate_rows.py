"""Rows of a certificate for a reader: verdict, figure, bars, and the baselines on one scale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from focusgroup.simulator.fidelity import ROWS, Row, Rule
from focusgroup.simulator.metrics.results import Estimate

from .certificate_scale import Scale, known
from .markup import Html, escape, join, outside, tag
from .values import NOTHING, capital, count

OWN = "this simulator"
_TOLD = {"strong": "● ● strong", "pass": "● pass", "fail": "✕ fail", "na": "n/a"}
_NOTE, _NAME = 600, 60


def verdict_class(row: Row) -> str:
    """``strong``, ``pass``, ``fail`` or ``na``."""
    return "na" if row.passes is None else row.verdict


def verdict_badge(row: Row) -> Html:
    """The verdict as a word and a shape; colour only repeats it."""
    return tag("span", _TOLD[verdict_class(row)], class_=f"mark-of {verdict_class(row)}")


def number(value: float) -> str:
    """Three digits: ``0.743``, ``−0.02``; a dash for nothing."""
    if value != value:  # NaN
        return NOTHING
    # Adding 0 takes the sign off a zero.
    text = f"{round(value, 3) + 0.0:.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return text.replace("-", "−")


def tiles(rows: Iterable[Row]) -> Html:
    """The rows at a glance."""
    return tag(
        "ul",
        join(
            tag(
                "li",
                tag("span", row.name, class_="name"),
                tag("b", number(row.value)),
                verdict_badge(row),
                class_=f"tile {verdict_class(row)}",
            )
            for row in rows
        ),
        class_="tiles",
    )


def row_card(row: Row) -> Html:
    """One row: what it means, what it asks for, what came out, beside the baselines."""
    rule = ROWS[row.name]
    parts = [
        tag("header", tag("h3", tag("code", row.name)), verdict_badge(row), class_="of-row"),
        tag("p", capital(rule.meaning), ".", class_="meaning"),
        _asked(rule),
    ]
    if row.passes is None:
        parts.append(tag("p", tag("b", "Not known here: "), outside(row.reason, _NOTE)))
    if known(_own(row)) or row.baselines:
        parts.append(_forest(row))
    if row.note:
        parts.append(tag("p", outside(row.note, _NOTE), class_="note"))
    return tag("article", *parts, class_=f"row {verdict_class(row)}")


def unknown_list(rows: Sequence[Row]) -> Html:
    """Rows without a figure: what they would tell, and why they cannot."""
    return tag("dl", join(_unknown(rows)), class_="unknown")


def _unknown(rows: Sequence[Row]) -> Iterator[Html]:
    for row in rows:
        yield tag("dt", tag("code", row.name))
        yield tag("dd", tag("b", outside(row.reason, _NOTE)), " ", capital(ROWS[row.name].meaning))


def _asked(rule: Rule) -> Html:
    strong = f" Strong: {rule.strong}." if rule.strong else ""
    return tag("p", f"Passes with {rule.passes}.{strong}", class_="asked")


def _own(row: Row) -> Estimate:
    return Estimate(row.value, row.low, row.high, row.n)


def _forest(row: Row) -> Html:
    """A line each for this simulator and for every baseline, one scale for all."""
    scale = Scale.of(row)
    lines = [_line(OWN, _own(row), scale, own=True)]
    lines += [_line(name, estimate, scale) for name, estimate in row.baselines.items()]
    under = (
        tag("i", f"{word} {number(at)}", style=f"left:{scale.place(at):.2f}%")
        for at, word in scale.marks()
    )
    axis = tag("div", tag("span", ""), tag("span", join(under), class_="axis"), class_="line")
    label = f"{row.name}: {OWN} and what stands beside it, with 95 % intervals"
    return tag("div", *lines, axis, class_="forest", role="group", aria_label=label)


def _line(name: str, estimate: Estimate, scale: Scale, *, own: bool = False) -> Html:
    drawn = [
        _stretch(kind, *scale.extent(span))
        for kind, span in (("band", scale.passes), ("band strong", scale.strong))
        if span is not None
    ]
    if known(estimate):
        if estimate.low == estimate.low and estimate.high == estimate.high:
            drawn.append(_stretch("whisker", *scale.extent((estimate.low, estimate.high))))
        kind = "dot beyond" if scale.beyond(estimate.mean) else "dot"
        drawn.append(tag("i", "", class_=kind, style=f"left:{scale.place(estimate.mean):.2f}%"))
    return tag(
        "div",
        tag("span", outside(name, _NAME), class_="who"),
        tag("span", *drawn, class_="track", aria_hidden="true"),
        tag("span", _figure(estimate), class_="figure"),
        class_="line own" if own else "line",
    )


def _stretch(kind: str, begin: float, length: float) -> Html:
    return tag("i", "", class_=kind, style=f"left:{begin:.2f}%;width:{length:.2f}%")


def _figure(estimate: Estimate) -> Html:
    ends = escape("")
    if estimate.low == estimate.low and estimate.high == estimate.high:
        ends = tag("small", f" [{number(estimate.low)}, {number(estimate.high)}]")
    of = tag("small", f" n {count(estimate.n)}") if estimate.n else escape("")
    return join([tag("b", number(estimate.mean)), ends, of])
