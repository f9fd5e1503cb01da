"""The certificate as a whole: complete, replayable, and the same from the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from focusgroup.agents.styles import elicitation
from focusgroup.scenarios.certify.certify import Wanted, certify
from focusgroup.scenarios.certify.ground import Ground
from focusgroup.scenarios.certify.panel import Panel
from focusgroup.simulator import UserError
from focusgroup.simulator.fidelity import ROWS
from focusgroup.simulator.fidelity.certificate import Certificate
from focusgroup.simulator.fidelity.certificate_file import from_json, to_json

WANTED = Wanted(users=10, seed=1)


def made_of(ground: Ground, wanted: Wanted = WANTED, **panels: Panel) -> Certificate:
    return asyncio.run(certify(ground, wanted, {"focusgroup": "test"}, **panels))


def test_behaviour_alone_fills_every_row(planted: Ground) -> None:
    made = made_of(planted)
    rows = {row.name: row for row in made.rows}
    assert set(rows) == set(ROWS)
    assert made.users.test == len(planted.test)
    assert rows["leakage"].verdict == "n/a: no language model takes part"
    assert rows["injection_lift"].value == 0
    assert {"always yes", "random", "popularity", "user + item bias"} <= set(
        rows["decision_auc"].baselines
    )
    # Two genres, two kinds of people: it matters who is asked.
    assert rows["persona_swap"].passes and rows["decision_auc"].value > 0.55
    assert to_json(made_of(planted)) == to_json(made)


def test_a_panel_is_replayed_without_a_call(
    planted: Ground, seats: Any, honest_model: Callable[..., Any]
) -> None:
    style = elicitation("answer", pooled=True)
    panel = asyncio.run(seats(honest_model, style, learns=True))
    made = made_of(planted, panel=panel)
    assert made.users.test == 10
    assert made.questions.shown == made.questions.answered + made.questions.failed
    assert made.row("model_swap_tau").verdict.startswith("n/a: one language model was given")
    assert {"weight of the opinion", "decision AUC, both"} < {line.name for line in made.share}
    assert panel.llm.calls > 0
    replay = asyncio.run(seats.replay(style, learns=True))
    assert to_json(made_of(planted, panel=replay)) == to_json(made)
    assert replay.llm.calls == 0


def test_swapping_the_model_compares_two_panels(
    planted: Ground, seats: Any, honest_model: Callable[..., Any]
) -> None:
    panel = asyncio.run(seats(honest_model, weight=2.0))
    made = made_of(planted, panel=panel, swap=panel)
    assert made.row("model_swap_tau").value == pytest.approx(1.0)


def test_more_users_than_there_are(planted: Ground) -> None:
    with pytest.raises(UserError, match="--users 1000: dataset 'planted' has"):
        made_of(planted, Wanted(users=1000))


def test_command_line(focusgroup: Callable[..., Any], world: Path) -> None:
    out = world / "certificate"
    arguments = ("certify", "--data", world / "log.yaml", "--users", 15, "--quiet", "--out", out)
    done = focusgroup(*arguments)
    assert done.code == 0, done.err
    assert "Verdict: " in done.out and "* decision_auc" in done.out
    written = json.loads((out / "certificate.json").read_text())
    assert {"name", "value", "low", "high", "n", "pass", "strong", "verdict", "baselines"} <= set(
        written["rows"][0]
    )
    assert from_json((out / "certificate.json").read_text()).sample == 15
    assert "<script" not in (out / "certificate.html").read_text().lower()
    required = focusgroup(*arguments, "--require", "leakage")
    assert required.code == 1 and "leakage (n/a: no language model takes part)" in required.err
    typo = focusgroup(*arguments, "--require", "decision_aux")
    assert typo.code == 2 and "did you mean 'decision_auc'" in typo.err.lower()


def test_the_final_users_are_others(focusgroup: Callable[..., Any], world: Path) -> None:
    for flag, name in ((), "dev"), (("--final",), "final"):
        done = focusgroup(
            "certify", "--data", world / "log.yaml", "--users", 8, "--quiet", *flag,
            "--out", world / name,
        )  # fmt: skip
        assert done.code == 0, done.err
    dev, final = (
        json.loads((world / name / "certificate.json").read_text()) for name in ("dev", "final")
    )
    assert (dev["final"], final["final"]) == (False, True)
    assert dev["users"]["test"] > final["users"]["test"]


def test_what_makes_no_sense_is_refused(focusgroup: Callable[..., Any], world: Path) -> None:
    base = ("certify", "--data", world / "log.yaml", "--quiet", "--out", world / "none")
    done = focusgroup(*base, "--swap-llm", "embedded")
    assert done.code == 2 and "--llm" in done.err
    done = focusgroup(*base, "--users", 500)
    assert done.code == 2 and "--users 500" in done.err
    assert not (world / "none").exists()
