"""The certificate as a table for a terminal: readable without colours, within 110 columns."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from focusgroup.simulator.metrics.results import Estimate

from .certificate import Certificate, ShareLine, decides
from .row import ROWS, Row

WIDTH = 110
_NAME, _FIGURE, _COUNT, _VERDICT = 20, 25, 7, 8
_TIED = "\u00a0"  # a space at which no line is broken
_REST = _NAME + _FIGURE + _COUNT + _VERDICT
_HEAD = ("row", "this simulator", "n", "verdict", "beside it, on the same row")


def certificate_table(certificate: Certificate) -> str:
    """The whole certificate: who was asked, the verdict, every row with its baselines.

    Rows that decide bear a star. An interval is 95 %, over users. Below each row: what it means
    and the bars.
    """
    c = certificate
    kept = "the users kept back for the end" if c.final else "not final: some users are kept back"
    asked = c.questions
    lines = [
        *_wrapped(f"Fidelity certificate of {_line(c.dataset)}: {_line(c.model)}"),
        *_wrapped(
            f"{c.users.test} test users ({kept}), {c.users.calibration} for calibration,"
            f" {c.users.training} to train recommenders: disjoint. Questions: {asked.shown} shown ="
            f" {asked.answered} answered + {asked.failed} failed."
            + (f" Rankings are stated for {c.sample} users." if c.sample else "")
        ),
        *_wrapped(
            f"data {c.fingerprints.data[:12]}, model {_line(c.fingerprints.model)[:60]},"
            f" configuration {c.fingerprints.configuration[:12]}, seed {c.seed}"
        ),
        *_wrapped(f"Verdict: {c.verdict}", "  "),
        "",
        _columns("", *_HEAD),
        "-" * WIDTH,
    ]
    for row in c.in_order():
        lines += _row(row)
    lines.append("-" * WIDTH)
    lines.append(
        "* decides. Intervals are 95 %, over users; verdicts go by the figure, not its interval."
    )
    if c.share:
        lines += ["", "What the language model adds", *_share(c.share)]
    for note in c.notes:
        lines += _wrapped(f"note: {_line(note)}", "      ")
    return "\n".join(line.rstrip() for line in lines)


def figure_text(value: float, low: float, high: float) -> str:
    """``0.743 [0.721, 0.764]``; a dash where there is no figure."""
    if math.isnan(value):
        return "-"
    if math.isnan(low) or math.isnan(high):
        return _digits(value)
    return f"{_digits(value)} [{_digits(low)}, {_digits(high)}]"


def _digits(value: float) -> str:
    # Adding 0 takes the sign off a zero.
    return f"{round(value, 3) + 0.0:.3f}" if abs(value) < 100 else f"{value:.0f}"


def _row(row: Row) -> Iterator[str]:
    rule = ROWS[row.name]
    verdict = "n/a:" if row.passes is None else row.verdict
    beside = _beside(row.baselines)
    if row.passes is None:
        beside = [*textwrap.wrap(_line(row.reason), WIDTH - _REST - 2), *beside]
    beside = beside or [""]
    count = str(row.n) if row.n else "-"
    star = "*" if decides(row.name) else ""
    found = figure_text(row.value, row.low, row.high)
    yield _columns(star, row.name, found, count, verdict, beside[0])
    for more in beside[1:]:
        yield _columns("", "", "", "", "", more)
    asked = f"{rule.meaning}; pass: {rule.passes}"
    yield from _below(asked + (f"; strong: {rule.strong}" if rule.strong else ""))
    if row.note:
        yield from _below(f"note: {_line(row.note)}")


def _beside(baselines: Mapping[str, Estimate]) -> list[str]:
    """Lines of ``name figure [interval]``; none that fits on a line is broken inside."""
    width, entries = WIDTH - _REST - 2, []
    for name, e in baselines.items():
        figure = figure_text(e.mean, e.low, e.high).replace(" ", _TIED)
        entry = f"{_line(name)}{_TIED}{figure}"
        fits = len(entry) < width  # with its semicolon
        entries.append(entry.replace(" ", _TIED) if fits else f"{_line(name)} {figure}")
    return [line.replace(_TIED, " ") for line in textwrap.wrap("; ".join(entries), width)]


def _share(lines: Iterable[ShareLine]) -> Iterator[str]:
    for line in lines:
        found = figure_text(line.value, line.low, line.high)
        head = f"  {_line(line.name)[:34]:34} {_line(line.slice)[:24]:24} {found:24} n {line.n}"
        told = f"{head}  {_line(line.verdict)}"
        yield from [told] if len(told) <= WIDTH else [head, *_below(_line(line.verdict))]


def _columns(star: str, name: str, figure: str, count: str, verdict: str, beside: str) -> str:
    return (
        f"{star:2}{name:{_NAME}}{figure:{_FIGURE}}{count:>{_COUNT - 2}}  {verdict:{_VERDICT}}"
        f"{beside}"
    )


def _below(text: str) -> list[str]:
    return _wrapped(text, "    ", first="    ")


def _wrapped(text: str, indent: str = "", first: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=indent)


def _line(text: str) -> str:
    """Outside text on one line, without characters that a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
