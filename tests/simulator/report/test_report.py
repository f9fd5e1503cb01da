"""The report tells the truth about a run, in one file that needs nothing and obeys nobody."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from focusgroup.simulator.errors import FailureCause, UserError
from focusgroup.simulator.metrics.results import (
    Comparison,
    Estimate,
    MetricRow,
    Results,
)
from focusgroup.simulator.report import (
    SELECTION_RULE,
    ReportFacts,
    render_report,
    see,
    write_report,
)
from focusgroup.simulator.report.palette import marks
from focusgroup.simulator.types import (
    Click,
    Failure,
    Leave,
    LeaveReason,
    NextPage,
    Response,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    Turn,
)

Make = Callable[..., Any]
Read = Callable[[str], Any]
Document = Any
ARMS = ("random", "als")
AUDIENCES = ("talkers", "counters")
NBSP = "\u00a0"


def test_every_section_is_there_and_in_the_contents(report: Document) -> None:
    expected = ["answer", "certificate", "metrics", "comparison", "rounds", "segments", "slots",
                "ratings", "visits", "accounting", "configuration"]  # fmt: skip
    assert list(report.sections) == expected
    links = [known["href"] for tag, known in report.tags if tag == "a"]
    assert links == [f"#{name}" for name in expected]


def test_the_answer_says_who_answered_and_how_far_to_believe_it(report: Document) -> None:
    talkers, counters = report.text("answer").split("counters", 1)
    assert "Too few users to say." in talkers
    assert "SmolLM2-135M" in talkers
    assert "uncalibrated No log to fit" in talkers
    assert "SmolLM2 proves the plumbing only." in talkers
    assert "3 users · 2 arms · 6 visits · 10 pages shown · 2 visits failed" in talkers
    assert "als is ahead of random." in counters
    assert " calibrated " in counters
    assert "uncalibrated" not in counters


def test_every_metric_has_mean_interval_and_both_kinds_of_estimate(report: Document) -> None:
    text = report.text("metrics")
    for shown in ("10.1", "20.2", "30.3", "40.4", "30.8", "40.9"):
        assert f"{shown}{NBSP}%" in text
    assert "[9.0, 12.3]" in text
    assert "$20.20" in text
    talkers, counters = text.split("All metrics of counters")
    assert "expected" not in talkers.split("All metrics of talkers")[1]
    assert "expected" in counters


def test_no_chart_pools_audiences(report: Document) -> None:
    labels = [known["aria-label"] for _, known in report.tags if known.get("class") == "plot"]
    assert len(labels) == len(report.figures())
    for label in labels:
        assert ("talkers" in label) != ("counters" in label)
    primary = report.figures()["chart-1"]["data"]
    assert sorted(x for trace in primary for x in trace["x"]) == [0.101, 0.202]


def test_the_comparison_separates_what_decides_from_what_is_exploratory(report: Document) -> None:
    deciding, exploratory = report.text("comparison").split("Exploratory comparisons", 1)
    for shown in (f"+10.1{NBSP}pp", "0.031", "0.062", f"±7.0{NBSP}pp", "19"):
        assert shown in deciding
    assert "Exploratory: not corrected" in exploratory
    assert "0.062" not in exploratory.split("counters")[0]


def test_differences_are_drawn_in_points_from_zero(report: Document) -> None:
    figures = [f for f in report.figures().values() if f["layout"]["xaxis"].get("zeroline")]
    assert len(figures) == len(AUDIENCES)
    (trace,) = figures[0]["data"]
    assert trace["x"] == [pytest.approx(10.1)]
    assert figures[0]["layout"]["xaxis"]["rangemode"] == "tozero"


def test_rounds_appear_only_where_there_are_several(
    report: Document, results: Make, sessions: Make, facts: ReportFacts, read: Read
) -> None:
    assert "rounds" in report.sections
    single = read(render_report(results(rounds=1), see(sessions()), facts))
    assert "rounds" not in single.sections


def test_what_a_chart_shows_can_be_read_as_figures(report: Document) -> None:
    by_round, by_trait = report.text("rounds"), report.text("segments")
    assert f"21.2{NBSP}%" in by_round
    assert f"41.4{NBSP}%" in by_round
    assert re.search(r"4 ★\s+4\s+40", report.text("ratings"))
    assert re.search(rf"low\s+10.1{NBSP}%\s+\[9.0, 12.3\]\s+20.2{NBSP}%", by_trait)


def test_an_arm_has_one_colour_everywhere(report: Document, rendered: str) -> None:
    look = marks(ARMS)
    named = [trace for figure in report.figures().values() for trace in figure["data"]
             if str(trace.get("name", "")).split(",")[0] in ARMS]  # fmt: skip
    assert len(named) >= 12
    for trace in named:
        assert trace["marker"]["color"] == look[trace["name"].split(",")[0]].colour
    swatches = re.findall(r'fill="(#\w+)"></path></svg><bdi>(\w+)</bdi>', rendered)
    assert {arm for _, arm in swatches} == set(ARMS)
    assert all(colour == look[arm].colour for colour, arm in swatches)


def test_ratings_stand_beside_the_log(
    report: Document, results: Make, sessions: Make, facts: ReportFacts, read: Read
) -> None:
    text = report.text("ratings")
    assert "simulated: 15 ratings, mean 3.67 ★" in text
    assert "the log: 150 ratings, mean 3.67 ★" in text
    assert "Nobody of this audience rated an item." in text
    without = read(render_report(results(), see(sessions()), replace(facts, log_ratings=None)))
    assert "The log holds no ratings to compare with." in without.text("ratings")


def test_a_visit_can_be_read(report: Document) -> None:
    text = report.text("visits")
    assert SELECTION_RULE in text
    for shown in (
        "You like crime films.", "drawn from 42 events of the log", "Fargo (1996): crime",
        "clicked", "bought for $4.50", "★★★★☆", "a clever crime film", "ungrounded",
        "because a clever crime film", "Turned the page.", "Left: bored.", f"61.6{NBSP}%",
        "Not answered: not json.", "not a reply: a clever crime film",
    ):  # fmt: skip
        assert shown in text, shown


def test_an_action_on_an_item_that_was_not_shown_is_not_hidden(
    results: Make, facts: ReportFacts, read: Read
) -> None:
    stray = Response((Click("elsewhere"), Leave(LeaveReason.TIRED)), 0.5)
    turn = Turn(0, Slate(("i1",)), stray)
    made = [Session(SessionKey("talkers", "als", "u1", 0), (turn,), SessionEnd.LEFT)]
    text = read(render_report(results(), see(made), facts)).text("visits")
    assert re.search(r"elsewhere\s+not on this page\s+clicked", text)


def test_a_page_the_recommender_could_not_fill_is_shown_as_such(
    results: Make, facts: ReportFacts, read: Read
) -> None:
    turn = Turn(0, None, Failure(FailureCause.RECOMMENDER, "ValueError: k is too large"))
    made = [Session(SessionKey("talkers", "als", "u1", 0), (turn,), SessionEnd.FAILED)]
    text = read(render_report(results(), see(made), facts)).text("visits")
    assert "No items were shown." in text
    assert "ValueError: k is too large" in text


def test_a_long_visit_says_how_much_of_it_is_not_shown(
    results: Make, facts: ReportFacts, read: Read
) -> None:
    page = Response((NextPage(),), 0.5)
    turns = tuple(Turn(number, Slate(("i1",)), page) for number in range(25))
    made = [Session(SessionKey("talkers", "als", "u1", 0), turns, SessionEnd.LIMIT)]
    text = read(render_report(results(), see(made), facts)).text("visits")
    assert "and 15 more pages not shown here" in text


def test_the_accounting_adds_up_in_plain_sight(report: Document) -> None:
    text = report.text("accounting")
    assert re.search(r"random\s+3\s+1\s+1\s+1\s+5\s+4\s+1\s+2\s+1", text)
    assert "Why pages failed" in text
    assert "not json" in text
    assert "bored" in text
    assert "12,345 tokens" in text


def test_the_configuration_lets_another_repeat_it(report: Document, facts: ReportFacts) -> None:
    text = report.text("configuration")
    assert facts.scenario_yaml in report.sections["configuration"]
    for shown in ("4711", "2.3.1", "a film log", "non-commercial",
                  "3.5 stars or more", "leaving", "night-run"):  # fmt: skip
        assert shown in text, shown


def test_nothing_is_fetched(report: Document) -> None:
    for tag, known in report.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base", "form")
        assert not {"src", "srcset", "action", "data", "xlink:href"} & set(known)
        assert known.get("href", "#").startswith("#")
    assert not re.search(r"@import|url\(", report.style)
    assert all("url(" not in known.get("style", "") for _, known in report.tags)


def test_only_our_two_scripts_may_run(report: Document) -> None:
    (policy,) = [
        known["content"] for _, known in report.tags
        if known.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    assert "default-src 'none'" in policy
    running = [text for known, text in report.scripts if not known]
    assert len(running) == 2
    assert len(report.scripts) == 3
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in running}
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_the_same_input_gives_the_same_bytes_in_any_order(
    results: Make, sessions: Make, facts: ReportFacts, rendered: str
) -> None:
    again = render_report(results(rounds=2), see(reversed(sessions())), replace(facts))
    assert again == rendered


def test_figures_that_do_not_exist_are_dashes(
    results: Make, sessions: Make, facts: ReportFacts, read: Read
) -> None:
    nothing = Estimate(math.nan, math.nan, math.nan, 0)
    made = results(rounds=2)
    empty = replace(
        made,
        metrics=tuple(replace(row, sampled=nothing, expected=nothing) for row in made.metrics),
        rounds=tuple(replace(row, estimate=nothing) for row in made.rounds),
        comparison=replace(
            made.comparison,
            pairs=tuple(
                replace(p, difference=nothing, p_value=math.nan, minimum_detectable=math.nan)
                for p in made.comparison.pairs
            ),
        ),
    )
    document = read(render_report(empty, see(sessions()), facts))
    assert "nan" not in document.text("metrics").lower().split()
    assert "–" in document.text("comparison")


def test_a_run_of_one_arm_and_nothing_else_still_reports(facts: ReportFacts, read: Read) -> None:
    row = MetricRow("talkers", "als", "own_metric", Estimate(0.5, 0.4, 0.6, 9))
    bare = Results((row,), (), (), (), {}, (), Comparison("als", "own_metric", (), {}))
    document = read(render_report(bare, see([]), facts))
    assert "No verdict" in document.text("answer")
    assert "at least two arms" in document.text("comparison")
    assert "Own_metric" in document.text("metrics")


def test_an_audience_nobody_described_is_a_mistake(results: Make, facts: ReportFacts) -> None:
    with pytest.raises(ValueError, match="audience 'counters'"):
        render_report(
            results(), see([]), replace(facts, models={"talkers": facts.models["talkers"]})
        )
    with pytest.raises(ValueError, match="arm 'random'"):
        render_report(results(), see([]), replace(facts, arms=("als",)))


def test_the_file_holds_the_report_and_nothing_is_left_beside_it(
    tmp_path: Path,
    results: Make,
    sessions: Make,
    facts: ReportFacts,
    rendered: str,
) -> None:
    path = tmp_path / "report.html"
    path.write_text("an older one")
    write_report(results(rounds=2), see(sessions()), facts, path)
    assert path.read_bytes() == rendered.encode()
    assert list(tmp_path.iterdir()) == [path]


def test_an_unwritable_place_is_named(
    tmp_path: Path, results: Make, sessions: Make, facts: ReportFacts
) -> None:
    for place in (tmp_path / "missing" / "report.html", tmp_path):
        with pytest.raises(UserError, match=r"cannot write the report to .*choose"):
            write_report(results(), see(sessions()), facts, place)
