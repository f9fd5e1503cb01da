"""A run says which certificate covers its users, or that none does and how to make one."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from focusgroup.agents import Assumed
from focusgroup.scenarios.certificates import (
    CERTIFIED_PAGE,
    CERTIFIED_SHARE,
    Shelf,
    configuration,
    configuration_fingerprint,
    covering,
    find_certificates,
    read_certificate,
)
from focusgroup.scenarios.certify.ground import CALIBRATION
from focusgroup.scenarios.certify.paper import PAGE
from focusgroup.scenarios.datasets import load_dataset
from focusgroup.simulator import UserError
from focusgroup.simulator.fidelity import (
    BEHAVIOUR,
    ROWS,
    Certificate,
    Fingerprints,
    Questions,
    Users,
    judged,
    not_known,
    to_json,
)
from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.report import Coverage

Run = Callable[..., Any]
SPOKEN: dict[str, Any] = {"style": "score", "language": "en", "decision": "pooled"}
CONFIGURED = configuration(k=5, calibration=0.25, held_out=0.2)
COMMAND = "focusgroup certify --data films"


def _certificate(
    data: str = "data", model: str = BEHAVIOUR, configured: dict[str, str] = CONFIGURED
) -> Certificate:
    rows = {name: not_known(name, "not measured") for name in ROWS}
    rows["ece"] = judged("ece", Estimate(0.123, 0.1, 0.2, 9), passes=False, strong=False)
    return Certificate(
        dataset="films", source="", licence="", model="those who answered", users=Users(9, 9, 9),
        final=False, sample=50,
        fingerprints=Fingerprints(data, model, configuration_fingerprint(configured)),
        configuration=configured, versions={}, seed=1, rows=tuple(rows.values()),
        questions=Questions(9, 9, 0),
    )  # fmt: skip


def _covering(*certificates: Certificate, unreadable: tuple[str, ...] = ()) -> Any:
    shelf = Shelf({f"c{n}": c for n, c in enumerate(certificates)}, unreadable)
    return covering(shelf, data="data", model=BEHAVIOUR, configured=CONFIGURED, command=COMMAND)


def test_the_certificate_of_this_data_model_and_configuration_covers() -> None:
    found = _covering(_certificate(data="other"), _certificate(model="m"), _certificate())
    assert found.coverage is Coverage.FULL
    assert found.told.startswith("Covered by c2: 0 of 8 rows that decide pass; ece fails")
    assert found.command == ""


def test_of_several_the_final_one_and_then_the_one_of_most_users_is_taken() -> None:
    small, large = replace(_certificate(), sample=20), replace(_certificate(), sample=100)
    assert _covering(small, large, small).place == "c1"
    assert _covering(small, large, replace(small, final=True)).place == "c2"


def test_another_configuration_is_told_apart_by_name_and_covers_nothing() -> None:
    found = _covering(_certificate(configured=configuration(k=5, calibration=0.3, held_out=0.2)))
    assert found.coverage is Coverage.OTHER_CONFIGURATION
    assert "calibration share 0.25 here, 0.3 there" in found.told
    assert "assumed" not in found.told
    assert found.command == COMMAND


def test_another_model_covers_nothing() -> None:
    found = _covering(_certificate(model="m"))
    assert found.coverage is Coverage.OTHER_MODEL
    assert "another model (those who answered)" in found.told
    assert found.command == COMMAND


def test_other_data_is_no_certificate_at_all_and_what_could_not_be_read_is_said() -> None:
    found = _covering(_certificate(data="other"), unreadable=("x.json: not JSON",))
    assert found.coverage is Coverage.NONE
    assert found.told.startswith("None. Nothing has yet shown")
    assert "Not readable: x.json: not JSON" in found.told
    assert found.certificate is None and found.command == COMMAND


@pytest.mark.parametrize(
    "other",
    [
        {"calibration": 0.3},
        {"held_out": 0.7},
        SPOKEN,
        {"calibrated_by": "f" * 64},
        {"assumed": Assumed(slot=0.3)},
    ],
)
def test_whatever_decides_how_users_answer_changes_the_fingerprint(other: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"k": 5, "calibration": 0.25, "held_out": 0.2}
    changed = configuration(**(usual | other))
    assert configuration_fingerprint(changed) != configuration_fingerprint(CONFIGURED)
    assert configuration_fingerprint(configuration(**usual)) == configuration_fingerprint(
        CONFIGURED
    )


def test_pages_count_where_a_language_model_reads_them() -> None:
    assert configuration(k=9, calibration=0.25, held_out=0.2) == CONFIGURED
    spoken = configuration(k=9, calibration=0.25, held_out=0.2, **SPOKEN)
    assert spoken != configuration(k=5, calibration=0.25, held_out=0.2, **SPOKEN)


def test_what_certify_does_is_what_a_run_is_told_it_does() -> None:
    assert (CERTIFIED_PAGE, CERTIFIED_SHARE) == (PAGE, CALIBRATION)


def test_no_command_is_offered_that_would_not_cover_the_run(
    focusgroup: Run, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world)
    changed = ("--set", "assumed.slot=0.5", "--users", 4, "--out", "runs/one", "--quiet")
    ran = focusgroup("run", "scenario.yaml", *changed)
    assert ran.code == 0, ran.err
    assert "would not make one that covers this configuration (assumed " in ran.out
    assert "To make one" not in ran.out


def test_the_prompts_of_a_language_are_part_of_the_configuration() -> None:
    usual: dict[str, Any] = {"k": 5, "calibration": 0.25, "held_out": 0.2, "style": "score"}
    made = {lang: configuration(**usual, language=lang, decision="x") for lang in ("en", "zh")}
    assert made["en"]["prompts"] != made["zh"]["prompts"]
    assert "prompts" not in CONFIGURED
    with pytest.raises(UserError, match="no prompts in 'ne'"):
        configuration(
            k=5, calibration=0.25, held_out=0.2, style="score", language="ne", decision="x"
        )


def test_certificates_are_found_in_the_run_beside_it_and_in_the_working_directory(
    tmp_path: Path,
) -> None:
    run, work = tmp_path / "runs" / "one", tmp_path / "work"
    places = (run, tmp_path / "runs" / "certificates" / "a", work / "certificates" / "b")
    for place in places:
        place.mkdir(parents=True)
        (place / "certificate.json").write_text(to_json(_certificate()))
    (work / "certificates" / "c").mkdir()
    (work / "certificates" / "c" / "certificate.json").write_text("{}")
    shelf = find_certificates(run, work)
    assert set(shelf.certificates) == {str(place / "certificate.json") for place in places}
    assert len(shelf.unreadable) == 1 and "not a certificate in format 1" in shelf.unreadable[0]
    assert find_certificates(folder=tmp_path / "runs" / "one").certificates == {}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "certificate.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read as UTF-8"):
        read_certificate(tmp_path / "certificate.json")


def test_a_run_names_the_command_and_then_the_certificate_that_covers_it(
    focusgroup: Run, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world)
    first = focusgroup("run", "scenario.yaml", "--users", 8, "--out", "runs/one", "--quiet")
    assert first.code == 0, first.err
    assert "Certificate: None. Nothing has yet shown" in first.out
    (command,) = [line for line in first.out.splitlines() if "To make one:" in line]
    words = shlex.split(command.split("To make one:")[1])
    assert words[:3] == ["focusgroup", "certify", "--data"]
    assert "no certificate" in (world / "runs" / "one" / "report.html").read_text()

    made = _certificate(data=load_dataset("log.yaml").fingerprint)
    folder = world / "certificates" / "films"
    folder.mkdir(parents=True)
    (folder / "certificate.json").write_text(to_json(made))
    focusgroup("report", "runs/one", "--out", "covered.html")
    report = (world / "covered.html").read_text()
    assert "Covered by certificates/films/certificate.json" in report
    assert "0.123" in report
