"""The report as one file that opens offline, the same bytes for the same input."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from string import Template

from focusgroup.simulator.metrics.results import Results

from .accounts import accounts
from .answer import answer
from .breakdown import ratings, rounds, segments, slots
from .certificate_section import certificate, in_a_word
from .charts import Chart, Json
from .configuration import configuration
from .facts import ReportFacts
from .file import part, write_whole
from .markup import Html, cut, escape, join, outside, script_json, tag
from .outcomes import outcomes
from .paired import paired
from .seen import Seen
from .view import Section, View
from .visits import visits

_SECTIONS = (
    answer,
    certificate,
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
_TITLE, _NAME = 200, 80
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def write_report(results: Results, seen: Seen, facts: ReportFacts, path: Path) -> None:
    """Write the report of a run to `path`, whole or not at all; see `render_report`.

    Raises:
        UserError: the file cannot be written there.
    """
    text = render_report(results, seen, facts)
    write_whole(text, path, "report")


def render_report(results: Results, seen: Seen, facts: ReportFacts) -> str:
    """The report as one HTML document: style, data, plotly.js and all, about 5 MB.

    Texts from outside are escaped; the document's own policy forbids any other script and any
    request. Deterministic.

    Args:
        seen: all visits of the run, see `see`.

    Raises:
        ValueError: results or visits hold an audience or arm of which `facts` say nothing.
    """
    view = View.of(results, seen, facts)
    sections = [section for make in _SECTIONS if (section := make(view))]
    figures: dict[str, Mapping[str, Json]] = {}
    body = join([_section(section, figures) for section in sections])
    links = (tag("li", tag("a", section.title, href=f"#{section.anchor}")) for section in sections)
    skeleton, plotly = part("page.html"), _plotly()
    scripts = [Template(s).substitute(plotly=plotly) for s in _SCRIPT.findall(skeleton)]
    return Template(skeleton).substitute(
        title=escape(cut(facts.title, _TITLE)),
        policy=" ".join(f"'{_sha256(script)}'" for script in scripts),
        style=part("report.css") + part("certificate.css"),
        heading=outside(facts.title, _TITLE),
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
        join(["run ", tag("b", outside(facts.run, _NAME))]),
        join(["seed ", tag("b", str(facts.seed))]),
        join(["data ", tag("b", outside(facts.dataset.name, _NAME))]),
        join(["certificate ", tag("b", in_a_word(view))]),
    )
    return join(tag("span", part) for part in parts)


def _sha256(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()


@lru_cache
def _plotly() -> str:
    # Deferred: importing plotly takes longer than anything else the command line needs.
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    # Neither occurs today; inside a string literal the second spelling means the same.
    return script.replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")
