"""A certificate says what was measured, completely, and comes back from its file unchanged."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.fidelity import (
    ROWS,
    Certificate,
    Fingerprints,
    Questions,
    Row,
    ShareLine,
    Users,
    certificate_table,
    check_complete,
    check_required,
    from_json,
    incomplete,
    judged,
    missed,
    not_known,
    to_json,
)
from focusgroup.simulator.metrics.results import Estimate

BESIDE = {
    "always yes": Estimate(0.5, 0.48, 0.52, 90),
    "user + item bias": Estimate(0.62, math.nan, math.nan, 90),
}


def _rows(**changed: Row) -> tuple[Row, ...]:
    unknown = {name: not_known(name, "no language model takes part") for name in ROWS}
    measured = {
        "decision_auc": judged("decision_auc", Estimate(0.743, 0.721, 0.764, 90), passes=True,
                               strong=False, baselines=BESIDE, note="3 were not answered"),
        "ece": judged("ece", Estimate(0.013, 0.01, 0.02, 90), passes=True, strong=True),
        "c2st_auc": judged("c2st_auc", Estimate(0.9, 0.85, 0.95, 90), passes=False, strong=False),
        "tstr_ratio": judged("tstr_ratio", Estimate(0.9, 0.8, 1.0, 90), passes=True),
    }  # fmt: skip
    return tuple({**unknown, **measured, **changed}.values())


def _certificate(rows: tuple[Row, ...] | None = None) -> Certificate:
    return Certificate(
        dataset="films", source="a film log", licence="free", model="behaviour model alone",
        users=Users(90, 70, 140), final=False, sample=50,
        fingerprints=Fingerprints("d" * 64, "behaviour", "c" * 64), configuration={"page": "10"},
        versions={"focusgroup": "0.2.0"}, seed=7, rows=rows or _rows(),
        questions=Questions(1000, 997, 3), notes=("Three seeds.",),
        share=(ShareLine("model alone", "history of 3", 0.51, 0.46, math.nan, 30, "adds nothing"),),
        command="focusgroup certify --data films",
    )  # fmt: skip


def test_the_file_holds_what_was_promised_of_every_row() -> None:
    content = json.loads(to_json(_certificate()))
    assert [set(row) >= {"name", "value", "low", "high", "n", "pass", "strong", "verdict",
                         "baselines"} for row in content["rows"]] == [True] * len(ROWS)  # fmt: skip
    rows = {row["name"]: row for row in content["rows"]}
    assert set(rows) == set(ROWS)
    auc = rows["decision_auc"]
    assert (auc["value"], auc["pass"], auc["strong"], auc["verdict"]) == (
        0.743,
        True,
        False,
        "pass",
    )
    assert auc["baselines"] == {"always yes": 0.5, "user + item bias": 0.62}
    assert auc["baseline_intervals"]["user + item bias"] == {"low": None, "high": None, "n": 90}
    assert auc["decides"] and auc["bars"]["strong"] == ">= .80"
    leak = rows["leakage"]
    assert (leak["value"], leak["pass"]) == (None, None)
    assert leak["verdict"] == "n/a: no language model takes part"
    assert content["fingerprints"]["model"] == "behaviour"


def test_the_file_comes_back_as_it_was_and_its_bytes_do_not_depend_on_the_order_of_rows() -> None:
    text = to_json(_certificate())
    assert to_json(from_json(text)) == text
    assert to_json(_certificate(tuple(reversed(_rows())))) == text
    back = from_json(text).row("decision_auc")
    assert back.baselines["always yes"] == BESIDE["always yes"]
    assert back.note == "3 were not answered"


FIGURES = st.floats(-1e300, 1e300) | st.sampled_from([math.nan, math.inf, -math.inf])


@given(FIGURES, FIGURES, FIGURES, st.text(max_size=40), st.booleans(), st.integers(0, 9999))
def test_any_figure_and_any_text_survive(
    value: float, low: float, high: float, text: str, passes: bool, n: int
) -> None:
    row = replace(judged("ece", Estimate(value, low, high, n), passes=passes), note=text)
    made = replace(_certificate(_rows(ece=row)), dataset=text, notes=(text,))
    back = from_json(to_json(made))
    assert to_json(back) == to_json(made)
    assert back.dataset == text
    for was, now in zip((value, low, high), (back.row("ece").value, back.row("ece").low,
                                             back.row("ece").high), strict=True):  # fmt: skip
        assert math.isclose(was, now, rel_tol=1e-9) or (not math.isfinite(was) and math.isnan(now))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a certificate in format 1"),
        ('{"format": 99}', "'format' holds 99"),
        ('{"format": 1}', "key 'dataset'"),
    ],
)
def test_what_is_no_certificate_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        from_json(text, "mine.json")
    assert str(error.value).startswith("mine.json: ")


def test_a_file_that_was_tampered_with_is_refused() -> None:
    content = json.loads(to_json(_certificate()))
    rows = content["rows"]
    for change, said in (
        ({"rows": [{**rows[0], "name": "charm"}]}, "row 'charm' is unknown to this version"),
        ({"rows": [{**rows[0], "value": "high"}]}, r"rows\.0\.value"),
        ({"rows": [{**rows[0], "baseline_intervals": {}}]}, "no entry in baseline_intervals"),
        ({"questions": {"shown": 9, "answered": 9, "failed": 1}}, "9 questions shown"),
        ({"seal": "gold"}, "seal"),
    ):
        with pytest.raises(UserError, match=said):
            from_json(json.dumps(content | change))


def test_the_verdict_names_what_passes_fails_and_cannot_be_known() -> None:
    verdict = _certificate().verdict
    assert verdict.startswith("2 of 8 rows that decide pass (ece strongly); c2st_auc fails; ")
    assert verdict.endswith("aa_false_positives and injection_lift cannot be known here.")
    assert "leakage" not in verdict


def test_a_whole_certificate_has_every_row_once_with_a_figure_or_a_reason() -> None:
    check_complete(_certificate())
    rows = _rows()
    nan = math.nan
    for wrong, said in (
        (rows[1:], "'decision_auc' is missing"),
        ((*rows, rows[0]), "'decision_auc' stands there 2 times"),
        ((*rows, replace(rows[0], name="decision_auk")), "Did you mean 'decision_auc'"),
        (_rows(ece=not_known("ece", " ")), "'ece' has no verdict and no reason"),
        (_rows(ece=judged("ece", Estimate(nan, nan, nan, 0), passes=True)), "'ece' has a verdict"),
    ):
        assert len(incomplete(wrong)) == 1
        with pytest.raises(UserError, match=said):
            check_complete(_certificate(wrong))


def test_a_required_row_that_fails_or_cannot_be_known_is_missed() -> None:
    certificate = _certificate()
    assert missed(certificate, ("ece", "decision_auc")) == ()
    found = missed(certificate, ("c2st_auc", "ece", "leakage", "c2st_auc"))
    assert [row.name for row in found] == ["c2st_auc", "leakage"]
    with pytest.raises(UserError, match=r"no row 'ranking_tao'\. Did you mean 'ranking_tau'"):
        check_required(("ece", "ranking_tao"))
    with pytest.raises(UserError, match="no row"):
        missed(certificate, ("everything",))


def test_a_baseline_stays_on_its_line_and_a_long_name_only_breaks_between_words() -> None:
    beside = {
        "the best single signal of all that were tried": Estimate(0.5, 0.4, 0.6, 9),
        "random": Estimate(-0.0001, -0.0002, 0.0001, 9),
    }
    found = judged("ece", Estimate(0.1, 0.1, 0.1, 9), passes=False, baselines=beside)
    table = certificate_table(_certificate(_rows(ece=found)))
    lines = [line.strip() for line in table.splitlines()]
    assert any(line.endswith("signal of all that were tried") for line in lines)
    assert "0.500 [0.400, 0.600];" in lines
    assert "random 0.000 [0.000, 0.000]" in lines
    assert max(map(len, table.splitlines())) <= 110


def test_questions_must_add_up() -> None:
    with pytest.raises(ValueError, match="10 questions shown, but 9 answered"):
        Questions(10, 9, 2)


def test_the_table_shows_every_row_with_its_baselines_beside_it() -> None:
    hostile = replace(_certificate(), dataset="films\x1b[31m\nred", notes=("a\x07b",))
    table = certificate_table(hostile)
    lines = table.splitlines()
    assert max(map(len, lines)) <= 110
    for name, rule in ROWS.items():
        (line,) = [one for one in lines if one[2:].startswith(name + " ")]
        assert line.startswith("*") == rule.decides
    auc = next(line for line in lines if "decision_auc" in line)
    assert "0.743 [0.721, 0.764]" in auc and " pass " in auc
    assert auc.endswith("always yes 0.500 [0.480, 0.520];")
    assert "user + item bias 0.620" in lines[lines.index(auc) + 1]
    assert "note: 3 were not answered" in table
    leak = next(line for line in lines if "leakage" in line)
    assert "n/a:" in leak and "no language model takes part" in leak
    assert "1000 shown = 997 answered + 3 failed" in table
    assert "90 test users" in table and "stated for 50 users" in table
    assert "model alone" in table and "adds nothing" in table
    assert "Verdict: 2 of 8" in table
    assert not set(table) & {"\x1b", "\x07"}
