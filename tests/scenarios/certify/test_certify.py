"""The certificate as a whole: complete, replayable, and the same from the command line."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from focusgroup.agents.styles import elicitation
from focusgroup.scenarios.certify.certify import Wanted, certify
from focusgroup.scenarios.certify.contest import held_contest, reality
from focusgroup.scenarios.certify.ground import Ground, lay_ground
from focusgroup.scenarios.certify.panel import Panel
from focusgroup.scenarios.certify.paper import set_exam
from focusgroup.scenarios.certify.signal import personal_signal
from focusgroup.scenarios.certify.witnesses import statistical
from focusgroup.scenarios.certify.yardsticks import item_means
from focusgroup.scenarios.commands.certify import _command
from focusgroup.scenarios.datasets import from_frames, load_dataset
from focusgroup.simulator import Domain, UserError
from focusgroup.simulator.fidelity import ROWS, within_user_auc
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


def test_the_final_users_are_the_same_under_every_seed_and_never_seen_before(
    world: Path,
) -> None:
    dataset = load_dataset(str(world / "log.yaml"), None)
    final = set(lay_ground(dataset, seed=0, final=True).test)
    assert len(final) > 5
    for seed in (0, 1, 2):
        ground = lay_ground(dataset, seed=seed)
        assert final.isdisjoint({*ground.test, *ground.calibration, *ground.training_ids})
        for rows in (ground.history, ground.held_out, ground.training):
            assert final.isdisjoint(rows["user_id"])
        last = lay_ground(dataset, seed=seed, final=True)
        assert set(last.test) == final
        assert final.isdisjoint({*last.calibration, *last.training_ids})


def test_nothing_a_test_user_did_later_reaches_who_answers(world: Path) -> None:
    dataset = load_dataset(str(world / "log.yaml"), None)
    ground = lay_ground(dataset, seed=0)
    log = dataset.interactions.copy()
    later = set(zip(ground.held_out["user_id"], ground.held_out["item_id"], strict=True))
    had = {user: set(items) for user, items in log.groupby("user_id")["item_id"]}
    rng = np.random.default_rng(1)
    for row, (user, item) in enumerate(zip(log["user_id"], log["item_id"], strict=True)):
        if user in ground.test and (user, item) in later:
            free = sorted(set(dataset.items["item_id"]) - had[user])
            other = free[int(rng.integers(len(free)))]
            had[user].add(other)
            log.loc[row, "item_id"] = other
    changed = lay_ground(replace(dataset, interactions=log), seed=0)
    assert changed.test == ground.test and not changed.held_out.equals(ground.held_out)
    exam = set_exam(ground, ground.test, seed=1)
    was, now = (
        statistical(one.behaviour, [one.histories(u) for u in exam.user_ids], exam)
        for one in (ground, changed)
    )
    assert np.array_equal(was.log_odds, now.log_odds)
    assert np.array_equal(was.stars, now.stars)
    first, second = (held_contest(one) for one in (ground, changed))
    assert np.array_equal(first.top, second.top) and not np.array_equal(first.real, second.real)
    assert np.array_equal(personal_signal(ground, exam), personal_signal(changed, exam))
    assert np.array_equal(item_means(ground), item_means(changed))


def test_a_few_who_saw_everything_are_no_public_to_be_judged_by() -> None:
    rng = np.random.default_rng(3)
    rows = [
        (f"u{user:03d}", f"f{film:02d}", "click", 1.0, bool(rng.random() < 0.5), 1e9 + when)
        for user in range(100)
        for when, film in enumerate(rng.choice(60, 60 if user < 3 else 30, replace=False))
    ]
    names = ["user_id", "item_id", "event", "value", "positive", "timestamp"]
    ground = lay_ground(from_frames(pd.DataFrame(rows, columns=names)), seed=0)
    assert ground.dataset.domain.has_negatives
    assert not ground.fully_observed and len(ground.test) > 20


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_asked(
    focusgroup: Callable[..., Any], world: Path
) -> None:
    (world / "file").touch()
    for out in (world / "file", world / "file" / "below"):
        done = focusgroup("certify", "--data", world / "log.yaml", "--users", 15, "--out", out)
        assert done.code == 2 and "is a file; give a folder" in done.err
        assert "users divided" not in done.err


@pytest.mark.parametrize(
    ("llm", "more"),
    [("bogus", ()), ("openai:m@http://127.0.0.1:1/v1", ("--journal-mode", "replay"))],
)
def test_what_cannot_begin_leaves_no_journal(
    focusgroup: Callable[..., Any], world: Path, llm: str, more: tuple[str, ...]
) -> None:
    out = world / "none"
    done = focusgroup(
        "certify", "--data", world / "log.yaml", "--llm", llm, "--users", 15, "--out", out, *more
    )
    assert done.code == 2 and not out.exists()


def test_the_command_can_be_typed_again_and_holds_no_key(
    focusgroup: Callable[..., Any], world: Path
) -> None:
    out = world / "two words"
    arguments = ("--data", world / "log.yaml", "--users", 15, "--quiet", "--out", out)
    assert focusgroup("certify", *arguments).code == 0
    command = from_json((out / "certificate.json").read_text()).command
    assert shlex.split(command) == ["focusgroup", "certify", *map(str, arguments)]
    told = _command(["--llm", "openai:m@http://me:s3cret@host:1/v1?key=s3cret", "--users", "15"])
    assert "s3cret" not in told and "openai:m@http://***@host:1/v1" in told and "15" in told


def test_where_rejections_are_logged_a_rejected_item_is_worth_nothing() -> None:
    rng = np.random.default_rng(3)
    rows = []
    for user in range(120):
        for when, film in enumerate(rng.choice(60, 30, replace=False)):
            liked = rng.random() < (0.75 if film % 2 == user % 2 else 0.2)
            rows.append((f"u{user:03d}", f"f{film:02d}", "click", 1.0, bool(liked), 1e9 + when))
    names = ["user_id", "item_id", "event", "value", "positive", "timestamp"]
    films = pd.DataFrame({"item_id": [f"f{n:02d}" for n in range(60)]})
    films["title"] = [f"Film {n}" for n in range(60)]
    domain = Domain("shown", has_negatives=True)
    shown = from_frames(pd.DataFrame(rows, columns=names), films, domain=domain)
    ground = lay_ground(shown, seed=0)
    assert not ground.fully_observed
    position = {item: n for n, item in enumerate(ground.catalog)}
    later = ground.held_out[ground.held_out["user_id"].isin(ground.test)]
    worth = reality(
        ground, ground.test,
        np.array([ground.test.index(user) for user in later["user_id"]]),
        np.array([position[item] for item in later["item_id"]]),
    )  # fmt: skip
    assert np.array_equal(worth == 1, later["positive"])
    exam = set_exam(ground, ground.test, seed=1)
    assert np.nanmean(within_user_auc(exam, personal_signal(ground, exam))) > 0.6
    assert item_means(ground).mean() < 0.35
