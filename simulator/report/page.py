"""The report as one file that opens offline, the same bytes for the same input."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from string import Template

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.metrics.results import Results
from focusgroup.simulator.types import Session

from .accounts import accounts
from .answer import answer
from .breakdown import ratings, rounds, segments, slots
from .charts import Chart, Json
from .configuration import configuration
from .facts import ReportFacts
from .markup import Html, clean, escape, join, outside, script_json, tag
from .outcomes import outcomes
from .paired import paired
from .view import Section, View
from .visits import visits

_SECTIONS = (
    answer,
    outcomes,
    paired,
    rounds,
    segments,
    slots,
    ratings,
    visits,
    accounts,
    configuration,
)
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def write_report(
    results: Results, sessions: Sequence[Session], facts: ReportFacts, path: Path
) -> None:
    """Write the report of a run to `path`, whole or not at all; see `render_report`.

    Raises:
        UserError: the file cannot be written there.
    """
    text = render_report(results, sessions, facts)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot write the report to {str(path)!r}: {reason}; "
            "choose a file in an existing folder you may write to"
        ) from error


def render_report(results: Results, sessions: Sequence[Session], facts: ReportFacts) -> str:
    """The report as one HTML document: style, data, plotly.js and all, about 5 MB.

    Texts from outside are escaped; the document's own policy forbids any other script and any
    request. Deterministic: the order of `sessions` does not matter either.

    Args:
        sessions: all visits of the run, each key once, from which the readable ones are chosen.

    Raises:
        ValueError: results or sessions hold an audience or arm of which `facts` say nothing.
    """
    view = View.of(results, sessions, facts)
    sections = [section for make in _SECTIONS if (section := make(view))]
    figures: dict[str, Mapping[str, Json]] = {}
    body = join([_section(section, figures) for section in sections])
    links = (tag("li", tag("a", section.title, href=f"#{section.anchor}")) for section in sections)
    skeleton, style, plotly = _part("page.html"), _part("report.css"), _plotly()
    scripts = [Template(s).substitute(plotly=plotly) for s in _SCRIPT.findall(skeleton)]
    return Template(skeleton).substitute(
        title=escape(facts.title),
        policy=" ".join(f"'{_sha256(script)}'" for script in scripts),
        style=style,
        heading=outside(facts.title),
        run=_run_line(view),
        contents=join(links),
        body=body,
        figures=script_json(figures),
        plotly=plotly,
    )


def _section(section: Section, figures: dict[str, Mapping[str, Json]]) -> Html:
    placed = []
    for block in section.blocks:
        if isinstance(block, Chart):
            chart_id = f"chart-{len(figures) + 1}"
            figures[chart_id] = block.figure()
            placed.append(block.place(chart_id))
        else:
            placed.append(block)
    return tag("section", tag("h2", section.title), *placed, id=section.anchor)


def _run_line(view: View) -> Html:
    facts = view.facts
    parts = (
        join(["run ", tag("b", outside(facts.run))]),
        join(["seed ", tag("b", str(facts.seed))]),
        join(["data ", tag("b", outside(facts.dataset.name))]),
        join(["certificate ", tag("b", outside(clean(facts.certificate).split("\n")[0], 80))]),
    )
    return join(tag("span", part) for part in parts)


def _sha256(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()


@lru_cache
def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n")


@lru_cache
def _plotly() -> str:
    # Deferred: importing plotly takes longer than anything else the command line needs.
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    # Neither occurs today; inside a string literal the second spelling means the same.
    return script.replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")
