"""A run in which every text from outside is an attack is shown, and never obeyed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from focusgroup.simulator.metrics.results import (
    Comparison,
    Results,
)
from focusgroup.simulator.report import (
    CertificateFacts,
    Coverage,
    DatasetFacts,
    MetricFacts,
    ModelFacts,
    ReportFacts,
    render_report,
    see,
)
from focusgroup.simulator.types import (
    SessionKey,
)

Make = Callable[..., Any]
Read = Callable[[str], Any]
Document = Any
ARMS = ("random", "als")
AUDIENCES = ("talkers", "counters")

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'><!--${plotly}"
    "\u202eevil\u0000\x1b[31m\u2028<a href='https://example.org'>go</a>"
)
SPELLED = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'><!--${plotly}"
    "[U+202E]evil[U+0000][U+001B][31m[U+2028]<a href='https://example.org'>go</a>"
)


@pytest.fixture
def hostile_report(results: Make, sessions: Make) -> str:
    """A run in which every text from outside is an attack."""
    arms, audiences = {a: f"{a}{HOSTILE}" for a in ARMS}, {a: f"{a}{HOSTILE}" for a in AUDIENCES}
    made = results(rounds=2)
    metrics = [replace(row, metric=row.metric + HOSTILE) for row in made.metrics]
    pairs = [
        replace(pair, baseline=arms[pair.baseline], metric=pair.metric + HOSTILE)
        for pair in made.comparison.pairs
    ]

    def renamed(rows: Any) -> Any:
        return tuple(
            replace(row, audience=audiences[row.audience], arm=arms[row.arm]) for row in rows
        )

    hostile = Results(
        renamed(metrics),
        renamed(made.rounds),
        renamed(replace(r, trait=HOSTILE, segment=HOSTILE) for r in made.segments),
        tuple(replace(row, audience=audiences[row.audience]) for row in made.slots),
        {audiences[name]: counts for name, counts in made.rating_histograms.items()},
        renamed(replace(row, causes={HOSTILE: 1}) for row in made.accounting),
        Comparison(
            arms["random"], "click_rate" + HOSTILE, renamed(pairs),
            dict.fromkeys(audiences.values(), HOSTILE),
        ),
    )  # fmt: skip
    visits = [
        replace(s, key=SessionKey(audiences[s.key.audience], arms[s.key.arm], HOSTILE, n))
        for n, s in enumerate(sessions(item=HOSTILE, words=HOSTILE))
    ]
    model = ModelFacts(HOSTILE, False, HOSTILE, HOSTILE)
    facts = ReportFacts(
        HOSTILE, HOSTILE, HOSTILE, 1, {HOSTILE: HOSTILE},
        DatasetFacts(*(HOSTILE,) * 5, (HOSTILE,), HOSTILE),
        dict.fromkeys(audiences.values(), model), tuple(arms.values()),
        {"click_rate" + HOSTILE: MetricFacts(HOSTILE, HOSTILE)},
        {HOSTILE: HOSTILE}, {HOSTILE: HOSTILE},
        certificates=dict.fromkeys(
            audiences.values(),
            CertificateFacts(Coverage.OTHER_MODEL, HOSTILE, None, HOSTILE, HOSTILE),
        ),
    )  # fmt: skip
    return render_report(hostile, see(visits), facts)


def test_hostile_text_is_shown_and_never_obeyed(
    report: Document, read: Read, hostile_report: str
) -> None:
    document = read(hostile_report)
    assert {tag for tag, _ in document.tags} <= {tag for tag, _ in report.tags}
    assert len(document.scripts) == 3
    allowed = {key for _, known in report.tags for key in known}
    assert {key for _, known in document.tags for key in known} <= allowed
    assert all(known.get("href", "#").startswith("#") for _, known in document.tags)
    for name in (
        "answer",
        "certificate",
        "metrics",
        "comparison",
        "visits",
        "accounting",
        "configuration",
    ):
        assert SPELLED[:40] in document.sections[name], name
    assert SPELLED in document.text("configuration")


def test_hostile_text_leaves_no_unseen_character_and_no_tag_in_plots(
    read: Read, hostile_report: str
) -> None:
    assert not set("\u202e\u0000\x1b") & set(hostile_report.split("<script>")[0])
    for figure in read(hostile_report).figures().values():
        for trace in figure["data"]:
            shown = [trace.get("name", ""), *trace.get("text", ())]
            assert all(re.sub(r"</?b>", "", label).count("<") == 0 for label in shown)
