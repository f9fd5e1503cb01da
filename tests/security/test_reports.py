"""Reports and certificates of a hostile run: the same page, with other words in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from focusgroup.simulator.fidelity import from_json
from focusgroup.simulator.metrics.results import (
    Accounting,
    Comparison,
    Estimate,
    MetricRow,
    Results,
    SegmentRow,
)
from focusgroup.simulator.report import (
    DatasetFacts,
    MetricFacts,
    ModelFacts,
    ReportFacts,
    page,
    render_certificate,
    render_report,
    see,
)
from focusgroup.simulator.types import (
    Click,
    Leave,
    LeaveReason,
    Opinion,
    Remark,
    Response,
    Review,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    Turn,
)

CERTIFICATE = Path(__file__).parents[2] / "docs" / "certificates" / "movies.json"
UNSEEN = set("\x00\x07\x08\x0b\x0c\x1b\x7f\x9b\u200b\u202e\u2066\u2067\u2028\ufeff")


class Outline(HTMLParser):
    """Tags with the names of their attributes, in order; texts; what is data for charts."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.texts: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] not in ("script", "style"):
            self.texts.append(data)
        elif self.tags and self.tags[-1] == ("script", "type", "id"):
            json.loads(data)


def _report(text: str) -> str:
    """A run in which all that comes from outside is this text."""
    text = f"a{text}z"  # whatever is left of it, there is a word
    name = f"{text[:58]}z"  # what a scenario allows for names
    arm, audience, estimate = name, name, Estimate(0.2, 0.1, 0.3, 9)
    results = Results(
        metrics=(MetricRow(audience, arm, "click_rate", estimate, None),),
        rounds=(),
        segments=(SegmentRow(audience, arm, name, name, "click_rate", estimate),),
        slots=(),
        rating_histograms={},
        accounting=(Accounting(audience, arm, 1, 1, 0, 0, 1, 1, 0, {name: 1}, {name: 1}, 1, 0),),
        comparison=Comparison(arm, "click_rate", (), {audience: text}),
    )
    facts = ReportFacts(
        run=text, title=text, scenario_yaml=text, seed=1, versions={text: text},
        dataset=DatasetFacts(text, text, text, text, text, (text,), name),
        models={audience: ModelFacts(text, False, text, text)}, arms=(arm,),
        metrics={"click_rate": MetricFacts(name, name)}, personas={text: text},
        item_texts={text: text}, history_counts={}, log_ratings=None, prompt_tokens=1,
        completion_tokens=1,
    )  # fmt: skip
    words = (Review(text, text, False), Remark(text), Leave(LeaveReason.BORED))
    opinion = Opinion((1.0,), reason=text)
    turn = Turn(0, Slate((text,)), Response((Click(text), *words), 0.5, opinion=opinion))
    visit = Session(SessionKey(audience, arm, text, 0), (turn,), SessionEnd.LEFT)
    return render_report(results, see([visit]), facts)


def _certificate(text: str) -> str:
    made = from_json(CERTIFICATE.read_text(encoding="utf-8"), "movies")
    text = f"a{text}z"
    rows = tuple(
        replace(row, baselines={text: row.baselines[next(iter(row.baselines))]}, note=text)
        if row.baselines
        else row
        for row in made.rows
    )
    return render_certificate(
        replace(
            made, dataset=text, source=text, licence=text, model=text, notes=(text,), command=text,
            versions={text: text}, configuration={text: text}, rows=rows,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> Iterator[dict[Any, Outline]]:
    patch = pytest.MonkeyPatch()
    patch.setattr(page, "_plotly", lambda: "/* plotly */")  # five megabytes that are ours
    yield {make: Outline(make("word")) for make in (_report, _certificate)}
    patch.undo()


@pytest.mark.parametrize("make", [_report, _certificate])
def test_the_page_keeps_its_shape(payload: Any, make: Any, plain: dict[Any, Outline]) -> None:
    document = make(payload.text)
    found = Outline(document)
    assert found.tags == plain[make].tags
    assert not UNSEEN.intersection(document)
    assert len(document) < 1_000_000  # an unseen character is spelled out in eight
    if payload.kind == "lengths" and payload.name in ("words", "letters", "chinese letters"):
        assert any(text.endswith("…") for text in found.texts)
        assert max(map(len, found.texts)) <= 50_000
    document.encode()
