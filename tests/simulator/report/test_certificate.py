"""The page of a certificate: everything it holds can be read, nothing in it is obeyed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.fidelity import (
    ROWS,
    Certificate,
    Fingerprints,
    Questions,
    Row,
    ShareLine,
    Users,
    judged,
    not_known,
)
from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.report import (
    CertificateFacts,
    Coverage,
    ReportFacts,
    render_certificate,
    render_report,
    see,
    write_certificate,
)
from focusgroup.simulator.report.certificate_scale import Scale, band

Make = Callable[..., Any]
Read = Callable[[str], Any]
HOSTILE = "</style></p><script>alert(1)</script><img src=x onerror=alert(2)>\"'\u202eevil"
BESIDE = {
    "random": Estimate(0.5, 0.48, 0.52, 90),
    "user + item bias": Estimate(0.61, 0.6, 0.63, 90),
}


def _certificate(words: str = "films", beside: str = "random") -> Certificate:
    rows = {name: not_known(name, f"{words} cannot tell") for name in ROWS}
    rows["decision_auc"] = judged(
        "decision_auc", Estimate(0.743, 0.721, 0.764, 90), passes=True, strong=False,
        baselines={beside: BESIDE["random"], "user + item bias": BESIDE["user + item bias"]},
        note=words,
    )  # fmt: skip
    rows["ece"] = judged("ece", Estimate(0.21, 0.2, 0.22, 90), passes=False, strong=False)
    return Certificate(
        dataset=words, source=words, licence=words, model=words, users=Users(90, 70, 140),
        final=True, sample=50, fingerprints=Fingerprints("d" * 64, words, "c" * 64),
        configuration={words: words}, versions={words: words}, seed=7, rows=tuple(rows.values()),
        questions=Questions(1000, 997, 3), notes=(words,),
        share=(ShareLine(words, words, 0.51, 0.46, 0.56, 30, words),), command=words,
    )  # fmt: skip


def test_every_row_its_baselines_and_who_was_asked_can_be_read(read: Read) -> None:
    document = read(render_certificate(_certificate()))
    deciding, unknown = document.text("deciding"), document.text("unknown")
    for shown in ("decision_auc", "● pass", "0.743", "[0.721, 0.764]", "user + item bias", "0.610",
                  "✕ fail", "0.210", "Strong: >= .80", "pass 0.700"):  # fmt: skip
        assert shown in deciding, shown
    for name in set(ROWS) - {"decision_auc", "ece"}:
        assert name in unknown
    assert unknown.count("films cannot tell") == len(ROWS) - 2
    assert "1 of 8 rows that decide pass; ece fails" in document.text("verdict")
    asked = document.text("asked")
    for shown in ("90", "70", "140", "1,000", "997", "d" * 64, "c" * 64):
        assert shown in asked, shown
    assert "0.510" in document.text("share")
    assert "no log" in document.text("limits")


def test_a_certificate_without_a_language_model_shows_no_share(read: Read) -> None:
    document = read(render_certificate(replace(_certificate(), share=())))
    assert "share" not in document.sections


def test_hostile_text_is_shown_and_never_obeyed(read: Read) -> None:
    plain, text = (
        read(render_certificate(_certificate())),
        render_certificate(_certificate(HOSTILE, beside=HOSTILE)),
    )
    document = read(text)
    assert {tag for tag, _ in document.tags} == {tag for tag, _ in plain.tags}
    assert not document.scripts
    allowed = {key for _, known in plain.tags for key in known}
    assert {key for _, known in document.tags for key in known} <= allowed
    assert "\u202e" not in text
    assert "<script>alert(1)" in document.text("asked")


def test_the_page_needs_nothing_and_runs_nothing(read: Read) -> None:
    text = render_certificate(_certificate())
    document = read(text)
    assert len(text) < 150_000
    assert "script" not in {tag for tag, _ in document.tags}
    (policy,) = [known["content"] for _, known in document.tags
                 if known.get("http-equiv") == "Content-Security-Policy"]  # fmt: skip
    assert "default-src 'none'" in policy and "script" not in policy
    assert not re.search(r"@import|url\(", text)
    assert all(known.get("href", "#").startswith("#") for _, known in document.tags)
    assert text == render_certificate(_certificate())


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "certificate.html"
    write_certificate(_certificate(), path)
    assert path.read_text() == render_certificate(_certificate())
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UserError, match="cannot write the certificate to"):
        write_certificate(_certificate(), tmp_path / "missing" / "certificate.html")


@pytest.mark.parametrize("name", [n for n, rule in ROWS.items() if re.search(r"\d", rule.passes)])
def test_the_bars_that_are_drawn_are_those_that_are_told(name: str) -> None:
    beside = {"user + item bias": Estimate(0.89, 0.8, 0.9, 9)}
    row = judged(name, Estimate(0.5, 0.4, 0.6, 9), passes=True, strong=True, baselines=beside)
    found = band(ROWS[name].passes, row)
    assert found is not None, ROWS[name].passes
    if ROWS[name].strong:
        assert band(ROWS[name].strong, row) is not None
        strong = Scale.of(row).strong
        assert strong is not None
        assert found[0] <= strong[0] and strong[1] <= found[1]


def test_bars_in_words_become_places_on_the_scale() -> None:
    row = judged("ece", Estimate(0.5, 0.4, 0.6, 9), passes=True, baselines=BESIDE)
    assert band("2.2 to 7.8 %, and exactly 0 difference with one seed", row) == (0.022, 0.078)
    assert band("<= 2 points, and no reply out of schema", row) == (-math.inf, 0.02)
    assert band(">= .70, and >= the best baseline - .02", row) == (0.7, math.inf)
    assert band("<= that of user + item bias, and >= .56", row) == (0.56, 0.61)
    assert band("interval above 0", row) == (0.0, math.inf)
    assert band("lower end >= .4", row) is None


def test_a_baseline_far_away_does_not_press_the_rest_into_a_point() -> None:
    yes = {"always yes": Estimate(40.0, 39.0, 41.0, 90), "popularity": Estimate(1.0, 0.9, 1.1, 90)}
    found = Estimate(1.07, 0.98, 1.16, 90)
    scale = Scale.of(judged("engagement_ratio", found, passes=True, baselines=yes))
    assert scale.place(1.16) - scale.place(0.98) > 5
    assert scale.beyond(40.0) and scale.place(40.0) == 100
    assert not scale.beyond(1.0)


def test_a_row_of_one_number_only_has_a_scale() -> None:
    nan = math.nan
    for value in (0.0, 0.3, -2.0):
        found = judged("dose_response", Estimate(value, nan, nan, 1), passes=False)
        scale = Scale.of(found)
        assert scale.low < value < scale.high
    empty = Scale.of(not_known("model_swap_tau", "one model only"))
    assert empty.low < empty.high


def test_the_report_of_a_run_says_which_certificate_covers_its_users(
    results: Make, sessions: Make, facts: ReportFacts, read: Read
) -> None:
    covered = CertificateFacts(Coverage.FULL, "Covered by x/certificate.json.", _certificate(), "x")
    other = CertificateFacts(
        Coverage.OTHER_MODEL, "Of another model.", _certificate(), "x", "focusgroup certify --x"
    )
    told = replace(facts, certificates={"talkers": other, "counters": covered})
    text = read(render_report(results(), see(sessions()), told)).text("certificate")
    talkers, counters = text.split("counters", 1)
    assert "not covered" in talkers and "focusgroup certify --x" in talkers
    assert "0.743" not in talkers
    assert " covered: 1 of 8 pass" in counters and "0.743" in counters and "✕ fail" in counters


def test_a_run_without_a_certificate_says_so(
    results: Make, sessions: Make, facts: ReportFacts, read: Read
) -> None:
    nothing = CertificateFacts(Coverage.NONE, "None. Nothing has yet shown it.", command="do this")
    told = replace(facts, certificates=dict.fromkeys(("talkers", "counters"), nothing))
    text = render_report(results(), see(sessions()), told)
    assert read(text).text("certificate").count("no certificate") == 2
    assert "certificate <b>none</b>" in text
    row: Row = _certificate().row("ece")
    assert row.passes is False
