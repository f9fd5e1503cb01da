"""A calibration kept in a file: the same users as without it, and loud where it does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.agents import OpinionWeight
from focusgroup.agents.choice import Choice
from focusgroup.scenarios.calibration_fields import from_plain, to_plain
from focusgroup.simulator import UserError

Run = Callable[..., Any]
POOLED = "{agent: llm, users: 2, style: score, decision: pooled, calibration_users: 6}"


@pytest.fixture
def world(world: Path) -> Path:
    """The small world with fewer visits."""
    path = world / "scenario.yaml"
    text = path.read_text().replace("pages: 3", "pages: 2").replace("users: 20", "users: 8")
    path.write_text(text)
    return world


@pytest.fixture
def server(start_server: Callable[..., Any]) -> Iterator[Any]:
    with start_server() as running:
        yield running


def _calibrated(focusgroup: Run, world: Path, *more: object) -> Path:
    out = world / "users.json"
    ran = focusgroup(
        "calibrate", "--data", world / "log.yaml", "--set", "data.min_history=5", "--set",
        "page.k=5", "--out", out, "--quiet", *more,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    return out


def _edited(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def _audience(world: Path, audience: str) -> Path:
    path = world / "scenario.yaml"
    path.write_text(path.read_text().replace("{agent: behaviour, users: 8}", audience))
    return path


def _compared(focusgroup: Run, run: Path) -> str:
    return str(focusgroup("compare", run, "--json").out)


def _mismatched(out: str) -> bool:
    """Whether a run warns of anything but the few users of this small world."""
    return "WARNING" in out.replace("WARNING: Learned from only 22 users", "")


def test_a_run_with_its_own_calibration_is_the_run_without(focusgroup: Run, world: Path) -> None:
    path, file = world / "scenario.yaml", _calibrated(focusgroup, world)
    assert focusgroup("run", path, "--out", world / "a").code == 0
    ran = focusgroup("run", path, "--calibration", file, "--out", world / "b")
    assert ran.code == 0 and "calibration file" in ran.out and not _mismatched(ran.out), ran
    assert _compared(focusgroup, world / "a") == _compared(focusgroup, world / "b")
    parts = [sorted((world / run / "sessions").glob("*.parquet")) for run in "ab"]
    assert [p.read_bytes() for p in parts[0]] == [p.read_bytes() for p in parts[1]]
    manifest = json.loads((world / "b" / "manifest.json").read_text())
    assert manifest["calibration"] == json.loads(file.read_text())
    assert manifest["calibration_fingerprint"][:12] in ran.out


def test_what_is_in_the_file_drives_the_users(focusgroup: Run, world: Path) -> None:
    file = _calibrated(focusgroup, world)
    _edited(file, lambda c: c["choice"].update(intercept=-9.0))
    path = world / "scenario.yaml"
    # the key of a scenario is meant from where the scenario lies
    path.write_text(path.read_text() + "calibration: users.json\n")
    assert focusgroup("run", path, "--out", world / "run").code == 0
    rows = json.loads(_compared(focusgroup, world / "run"))["metrics"]
    clicks = [row["sampled"]["mean"] for row in rows if row["metric"] == "click_rate"]
    assert clicks and max(clicks) < 0.02


def test_the_summary_tells_learned_from_assumed(focusgroup: Run, world: Path) -> None:
    ran = focusgroup(
        "calibrate", "--data", world / "log.yaml", "--set", "data.min_history=5", "--out",
        world / "c.json",
    )  # fmt: skip
    assert "22 users" in ran.out and "Learned" in ran.out
    assert "Assumed, not learned from any log: slot 0.15" in ran.out
    assert "No language model was asked" in ran.out
    assert not list(world.glob("*.sqlite")) and not list(world.glob("*.tmp"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(format=7), ["format 7", "this version reads 1"]),
        (lambda c: c.update(chioce={}), ["'chioce'", "'choice'?"]),
        (
            lambda c: c["choice"]["features"].update(tasty=c["choice"]["features"].pop("taste")),
            ["feature 'tasty'", "Did you mean 'taste'?"],
        ),
        (lambda c: c["choice"]["features"].pop("taste"), ["feature 'taste' is missing"]),
        (lambda c: c["stars"].update(treshold=1), ["key 'treshold'", "unknown"]),
        (lambda c: c["choice"].update(intercept="much"), ["intercept", "expected a number"]),
        (lambda c: c["choice"]["features"]["taste"].update(weight="x"), ["expected numbers"]),
        (lambda c: c["users"].update(sed=1), ["'users.sed'", "Did you mean 'seed'?"]),
    ],
)
def test_a_file_that_is_no_calibration_of_this_version_is_refused(
    focusgroup: Run, world: Path, change: Callable[[dict[str, Any]], object], said: list[str]
) -> None:
    file = _edited(_calibrated(focusgroup, world), change)
    out = world / "run"
    ran = focusgroup("run", world / "scenario.yaml", "--calibration", file, "--out", out)
    assert ran.code == 2 and "users.json" in ran.err, ran
    assert all(part in ran.err for part in said), ran.err
    assert not out.exists()


def test_missing_and_foreign_files(focusgroup: Run, world: Path) -> None:
    ran = focusgroup("run", world / "scenario.yaml", "--calibration", world / "no.json")
    assert ran.code == 2 and "no such file" in ran.err and "focusgroup calibrate" in ran.err
    ran = focusgroup("run", world / "scenario.yaml", "--calibration", world / "log.csv")
    assert ran.code == 2 and "not a calibration" in ran.err
    ran = focusgroup("calibrate", "--data", world / "log.yaml", "--out", world / "log.csv")
    assert ran.code == 2 and "is no calibration" in ran.err
    assert (world / "log.csv").read_text().startswith("who,what")
    ran = focusgroup("calibrate", "--data", world / "log.yaml", "--style", "score")
    assert ran.code == 2 and "--llm" in ran.err


def test_other_data_and_other_users_are_said_aloud(focusgroup: Run, world: Path) -> None:
    file, path = _calibrated(focusgroup, world), world / "scenario.yaml"
    ran = focusgroup("run", path, "--calibration", file, "--seed", 8, "--out", world / "seed")
    assert "WARNING" in ran.out and "were calibrated on" in ran.out, ran
    assert "; calibrated (" in ran.out
    log = world / "log.csv"
    log.write_text(log.read_text() + "u000,f00,1,1600000099\n")
    ran = focusgroup("run", path, "--calibration", file, "--out", world / "version")
    assert "WARNING: The calibration was made on another version of two-tastes" in ran.out, ran
    mapping = world / "log.yaml"
    mapping.write_text(mapping.read_text().replace("two-tastes", "elsewhere"))
    ran = focusgroup("run", path, "--calibration", file, "--out", world / "other")
    assert "WARNING: The calibration is of two-tastes, this run is on elsewhere" in ran.out, ran
    assert "; UNCALIBRATED (" in ran.out
    assert "carried over" in (world / "other" / "report.html").read_text()


def test_resume_notices_another_calibration(focusgroup: Run, world: Path) -> None:
    file, out = _calibrated(focusgroup, world), world / "run"
    arguments = ("run", world / "scenario.yaml", "--calibration", file, "--out", out)
    assert focusgroup(*arguments).code == 0
    _edited(file, lambda c: c["choice"].update(intercept=0.5))
    ran = focusgroup("resume", out, "--quiet")
    assert ran.code == 2 and "users.json has changed" in ran.err, ran
    file.unlink()  # what it said is in the manifest
    assert focusgroup("resume", out, "--quiet").code == 0
    assert focusgroup("compare", out).code == 0


def test_a_weight_from_the_file_asks_no_calibration_page(
    focusgroup: Run, world: Path, server: Any
) -> None:
    llm = ("--llm", f"openai:demo-model@{server.url}")
    path = _audience(world, POOLED)
    whole = focusgroup("run", path, *llm, "--journal", world / "j", "--out", world / "whole")
    assert whole.code == 0, whole.err
    more = ("--style", "score", "--calibration-users", 6, "--journal", world / "j")
    before = len(server.seen())
    file = _calibrated(focusgroup, world, *llm, *more)
    assert len(server.seen()) == before, "the run has asked the same pages"
    ran = focusgroup(
        "run", path, *llm, "--calibration", file, "--journal", world / "j", "--journal-mode",
        "replay", "--out", world / "from-file",
    )  # fmt: skip
    assert ran.code == 0 and not _mismatched(ran.out), ran
    assert _compared(focusgroup, world / "whole") == _compared(focusgroup, world / "from-file")
    own = world / "own"
    before = len(server.seen())
    ran = focusgroup("run", path, *llm, "--calibration", file, "--out", own)
    calls = int(ran.out.split("Language model: ")[1].split(" calls")[0])
    pages = sum(
        row["pages"] for row in json.loads(_compared(focusgroup, world / "own"))["accounting"]
    )
    assert calls <= 5 * pages + 70, "the pages of the run, and the items for nobody, no others"


def test_another_model_voids_and_another_style_is_refused(
    focusgroup: Run, world: Path, start_server: Callable[..., Any]
) -> None:
    path = _audience(world, POOLED)
    with start_server("--model", "one", "--model", "two") as server:
        one, two = (("--llm", f"openai:{name}@{server.url}") for name in ("one", "two"))
        more = ("--style", "score", "--calibration-users", 6)
        file = _calibrated(focusgroup, world, *one, *more)
        ran = focusgroup("run", path, *two, "--calibration", file, "--out", world / "two")
        assert ran.code == 0 and "UNCALIBRATED" in ran.out, ran
        assert "WARNING: The opinion's weight was learned from one, and two answers" in ran.out
        ran = focusgroup("run", path, *one, "--style", "answer", "--calibration", file)
        assert ran.code == 2 and "in style score" in ran.err, ran
        silent = _calibrated(focusgroup, world)
        ran = focusgroup("run", path, *one, "--calibration", silent)
        assert ran.code == 2 and "knows no language model" in ran.err, ran
        own_word = ("--set", "audiences.everyone.decision=own_word")
        ran = focusgroup("run", path, *one, *own_word, "--calibration", file, "--out", world / "o")
        assert ran.code == 0 and "UNCALIBRATED" in ran.out and "is not used here" in ran.out, ran


def test_a_pooled_run_without_a_journal_is_compared_by_its_manifest(
    focusgroup: Run, world: Path, server: Any
) -> None:
    llm = ("--llm", f"openai:demo-model@{server.url}")
    out = world / "run"
    ran = focusgroup("run", _audience(world, POOLED), *llm, "--journal-mode", "off", "--out", out)
    assert ran.code == 0, ran.err
    weight = json.loads((out / "manifest.json").read_text())["weights"]["everyone"]
    assert f"weight is {weight['value']:.2f}" in ran.out
    server.stop()
    assert focusgroup("compare", out).code == 0
    assert focusgroup("report", out).code == 0
    assert f"weight is {weight['value']:.2f}" in (out / "report.html").read_text()


numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=6), numbers)
def test_fitted_values_survive_the_file_to_the_bit(
    rows: list[tuple[float, float, float]], intercept: float
) -> None:
    weights, centre, scale = (np.array(column) for column in zip(*rows, strict=True))
    choice = Choice(weights, centre, scale, intercept, 10, 3, 0.5)
    names = [f"feature {n}" for n in range(len(rows))]
    plain = json.loads(json.dumps(to_plain(choice, names)))
    back = from_plain(Choice, plain, "choice", names)
    assert to_plain(back, names) == to_plain(choice, names)
    assert back.weights.tobytes() == weights.tobytes() and back.n == 10


def test_a_weight_of_another_version_is_refused() -> None:
    plain = to_plain(OpinionWeight(0.5, 0.1, 0.9, 20))
    assert from_plain(OpinionWeight, plain, "weight") == OpinionWeight(0.5, 0.1, 0.9, 20)
    with pytest.raises(UserError, match="'slope' is unknown to this version"):
        from_plain(OpinionWeight, {**plain, "slope": 1.0}, "weight")
