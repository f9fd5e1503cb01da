"""A small run of two audiences and two arms, and a reader of reports."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from focusgroup.simulator.errors import FailureCause
from focusgroup.simulator.metrics.results import (
    Accounting,
    Comparison,
    Estimate,
    MetricRow,
    PairedDifference,
    Results,
    RoundRow,
    SegmentRow,
    SlotRow,
)
from focusgroup.simulator.report import (
    Better,
    DatasetFacts,
    MetricFacts,
    ModelFacts,
    ReportFacts,
    ValueKind,
    render_report,
    see,
)
from focusgroup.simulator.types import (
    Click,
    Failure,
    Leave,
    LeaveReason,
    NextPage,
    Opinion,
    Purchase,
    Rate,
    Response,
    Review,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    SlotOdds,
    Turn,
)

ARMS = ("random", "als")
AUDIENCES = ("talkers", "counters")
NBSP = "\u00a0"


def estimate(mean: float, n: int = 20) -> Estimate:
    return Estimate(mean, mean - 0.011, mean + 0.022, n)


def make_results(*, rounds: int = 1) -> Results:
    rates = {("talkers", "random"): 0.101, ("talkers", "als"): 0.202,
             ("counters", "random"): 0.303, ("counters", "als"): 0.404}  # fmt: skip
    metrics = []
    for (audience, arm), rate in rates.items():
        expected = estimate(rate + 0.005) if audience == "counters" else None
        metrics.append(MetricRow(audience, arm, "click_rate", estimate(rate), expected))
        metrics.append(MetricRow(audience, arm, "revenue", estimate(rate * 100)))
    pairs = [
        PairedDifference(audience, "als", "random", metric, estimate(0.101, 19), p, holm, 0.07,
                         primary=holm is not None, excluded=1)
        for audience in AUDIENCES
        for metric, p, holm in (("click_rate", 0.0312, 0.0624), ("revenue", 0.2, None))
    ]  # fmt: skip
    return Results(
        metrics=tuple(metrics),
        rounds=tuple(
            RoundRow(audience, arm, number, "click_rate", estimate(rate + 0.01 * number))
            for (audience, arm), rate in rates.items()
            for number in range(rounds)
        ),
        segments=tuple(
            SegmentRow(audience, arm, "activity", segment, "click_rate", estimate(rate))
            for (audience, arm), rate in rates.items()
            for segment in ("low", "high")
        ),
        slots=tuple(SlotRow(a, slot, estimate(0.3 / slot)) for a in AUDIENCES for slot in (1, 2)),
        rating_histograms={"talkers": (1, 2, 3, 4, 5), "counters": (0, 0, 0, 0, 0)},
        accounting=tuple(
            Accounting(audience, arm, 3, 1, 1, 1, 5, 4, 1, {"not_json": 1}, {"bored": 1}, 2, 1)
            for audience, arm in rates
        ),
        comparison=Comparison(
            "random", "click_rate", tuple(pairs),
            {"talkers": "Too few users to say.", "counters": "als is ahead of random."},
        ),
    )  # fmt: skip


def make_sessions(item: str = "i1", words: str = "a clever crime film") -> list[Session]:
    slate = Slate((item, "i2"))
    first = Response(
        (Click(item), Purchase(item, 4.5), Rate(item, 4.0), Review(item, words, False), NextPage()),
        0.8,
        odds=(SlotOdds(0.616), SlotOdds(0.1)),
        p_leave=0.3,
        opinion=Opinion((1.0, 0.0), reason=f"because {words}"),
    )
    last = Response((Leave(LeaveReason.BORED),), 0.2)
    lost = Failure(FailureCause.NOT_JSON, f"not a reply: {words}")
    made = []
    for audience in AUDIENCES:
        for arm in ARMS:
            ends = (
                ("u1", last, SessionEnd.LEFT),
                ("u2", last, SessionEnd.LIMIT),
                ("u3", lost, SessionEnd.FAILED),
            )
            for user, outcome, end in ends:
                turns = (Turn(0, slate, first), Turn(1, slate, outcome))
                made.append(Session(SessionKey(audience, arm, user, 0), turns, end))
    return made


FACTS = ReportFacts(
    run="night-run",
    title="Two recommenders",
    scenario_yaml="name: two\nk: 2  # <per page>\n",
    seed=4711,
    versions={"focusgroup": "0.1.0", "numpy": "2.3.1"},
    dataset=DatasetFacts(
        "movies", "a film log", "non-commercial", "3.5 stars or more", "", ("slot", "leaving"), "$"
    ),
    models={
        "talkers": ModelFacts(
            "SmolLM2-135M", False, "no log to fit", "SmolLM2 proves the plumbing only."
        ),
        "counters": ModelFacts("behaviour model", True, "on 200 users"),
    },
    arms=ARMS,
    metrics={
        "click_rate": MetricFacts(
            "click rate", "clicks per item shown", Better.HIGHER, ValueKind.PERCENT
        ),
        "revenue": MetricFacts("revenue", kind=ValueKind.MONEY),
    },
    personas={"u1": "You like crime films."},
    item_texts={"i1": "Fargo (1996): crime", "i2": "Babe (1995): children"},
    history_counts={"u1": 42},
    log_ratings=(10, 20, 30, 40, 50),
    prompt_tokens=12345,
    completion_tokens=678,
)


class Document(HTMLParser):
    """What a browser would make of the report: tags, attributes and text, by section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[tuple[dict[str, str], str]] = []
        self.style = ""
        self.sections: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {key: value or "" for key, value in attrs}
        self.tags.append((tag, known))
        if tag == "script":
            self.scripts.append((known, ""))
        if tag not in ("meta", "br"):
            self.open.append((tag, known.get("id", "")))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        inside = self.open[-1][0] if self.open else ""
        if inside == "script":
            known, text = self.scripts[-1]
            self.scripts[-1] = (known, text + data)
        elif inside == "style":
            self.style += data
        for tag, name in self.open:
            if tag == "section" and name:
                self.sections[name] = self.sections.get(name, "") + data + " "

    def text(self, section: str) -> str:
        return re.sub(" +", " ", self.sections[section])

    def figures(self) -> dict[str, Any]:
        (data,) = [text for known, text in self.scripts if known.get("id") == "figures"]
        figures: dict[str, Any] = json.loads(data)
        return figures


@pytest.fixture
def results() -> Callable[..., Results]:
    """Makes the results of the run: ``results(rounds=2)``."""
    return make_results


@pytest.fixture
def sessions() -> Callable[..., list[Session]]:
    """Makes its visits: ``sessions(item="i1", words="...")``."""
    return make_sessions


@pytest.fixture
def facts() -> ReportFacts:
    return FACTS


@pytest.fixture
def read() -> Callable[[str], Document]:
    """Reads a report as a browser would."""
    return Document


@pytest.fixture(scope="session")
def rendered() -> str:
    """The report of the run with two rounds."""
    return render_report(make_results(rounds=2), see(make_sessions()), FACTS)


@pytest.fixture(scope="session")
def report(rendered: str) -> Document:
    return Document(rendered)
