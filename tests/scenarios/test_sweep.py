"""A sweep says on what assumed parameter the winner depends, and when on none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from focusgroup.scenarios.options import Options
from focusgroup.scenarios.scenario import Scenario, read_scenario, scenario_from
from focusgroup.scenarios.sweep import (
    DEFAULT,
    Setting,
    Standing,
    SweepRow,
    conclusion,
    row_of,
    settings_of,
    swept_audiences,
)
from focusgroup.scenarios.sweep_run import sweep
from focusgroup.simulator import UserError
from focusgroup.simulator.domain import Domain
from focusgroup.simulator.metrics import metric_named
from focusgroup.simulator.metrics.results import Comparison, Estimate, PairedDifference, Results

Run = Callable[..., Any]

ARMS = '''
from focusgroup.simulator import Slate


class Page:
    """Films of the user's own taste (True) or of the other one, slot by slot."""

    def __init__(self, own):
        self.own = own

    def recommend(self, requests):
        slates = []
        for request in requests:
            taste = int(request.user_id[1:]) % 2
            left = [f"f{n:02d}" for n in range(60) if f"f{n:02d}" not in request.exclude]
            chosen = []
            for own in self.own[: request.k]:
                fitting = [i for i in left if (int(i[1:]) % 2 == taste) == own]
                chosen.append((fitting or left)[0])
                left.remove(chosen[-1])
            slates.append(Slate(tuple(chosen)))
        return slates
'''
# Two good films in front against three behind: the first wins only if few read on.
PLANTED = """\
title: Two in front, three behind
data: {{name: {folder}/log.yaml, min_history: 5}}
page: {{k: 5, pages: 2}}
recommenders:
  front: {{use: "arms.py:Page", params: {{own: [true, true, false, false, false]}}}}
  behind: {{use: "arms.py:Page", params: {{own: [false, false, true, true, true]}}}}
  nowhere: {{use: "arms.py:Page", params: {{own: [false, false, false, false, false]}}}}
audiences:
  everyone: {{agent: behaviour, users: 12}}
  yardstick: {{agent: random, users: 4}}
assumed: {{slot: {slot}}}
"""


@pytest.fixture
def server(start_server: Callable[..., Any]) -> Iterator[Any]:
    with start_server() as running:
        yield running


def _planted(world: Path, slot: float) -> Path:
    (world / "arms.py").write_text(ARMS)
    path = world / "planted.yaml"
    path.write_text(PLANTED.format(folder=world, slot=slot))
    return path


@pytest.fixture
def few_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first five settings only: the default, slot and fatigue."""

    def few(scenario: Scenario, domain: Domain) -> tuple[tuple[Setting, ...], dict[str, str]]:
        settings, idle = settings_of(scenario, domain)
        return settings[:5], idle

    monkeypatch.setattr("focusgroup.scenarios.sweep_run.settings_of", few)


def _started(run: Path) -> dict[str, str]:
    manifests = sorted((run / "sweep").glob("*/manifest.json"))
    return {path.parent.name: json.loads(path.read_text())["started"] for path in manifests}


@pytest.mark.usefixtures("few_settings")
def test_a_planted_dependence_is_found_and_none_is_invented(focusgroup: Run, world: Path) -> None:
    out = world / "steep"
    ran = focusgroup("run", _planted(world, 0.25), "--sweep", "assumed", "--out", out, "--quiet")
    assert ran.code == 0, ran.err
    assert "everyone: the winner depends on: slot (with slot 0.5 front wins)." in ran.out, ran.out
    assert "left out: yardstick: random users" in ran.out
    assert "left out: conversion: two-tastes has no purchases" in ran.out
    assert "assumed, not learned" in ran.out
    kept = json.loads((out / "sweep.json").read_text())
    assert kept["finished"] and kept["rows"][0]["winner"] == "behind"
    assert {row["audience"] for row in kept["rows"]} == {"everyone"}
    changed = [row["setting"] for row in kept["rows"] if row["standing"] != "same"]
    assert changed == ["slot-double"]
    # a setting is a run like any other
    assert "front is ahead" in focusgroup("compare", out / "sweep" / "slot-double").out
    ran = focusgroup("compare", out)
    assert ran.code == 2 and "a sweep, not a run" in ran.err


@pytest.mark.usefixtures("few_settings")
def test_killed_between_settings_goes_on_where_it_was(focusgroup: Run, world: Path) -> None:
    path, out = _planted(world, 0.02), world / "killed"
    scenario = read_scenario(path)

    def killed(setting: Setting, left: int) -> None:
        if setting.name == "fatigue-half":
            raise KeyboardInterrupt

    clock = iter(f"time {n}" for n in range(100))
    with pytest.raises(KeyboardInterrupt):
        sweep(scenario, out, Options(folder=world), lambda: next(clock), on_setting=killed)
    before = _started(out)
    assert list(before) == ["default", "slot-double", "slot-half"]
    kept = json.loads((out / "sweep.json").read_text())
    assert not kept["finished"]
    # killed before the last setting was written down: its sessions are there
    kept["rows"].pop()
    (out / "sweep.json").write_text(json.dumps(kept))
    ran = focusgroup("run", path, "--seed", 5, "--sweep", "assumed", "--out", out)
    assert ran.code == 2 and "its scenario was another" in ran.err, ran
    ran = focusgroup("resume", out, "--quiet")
    assert ran.code == 0, ran.err
    assert "everyone: the winner does not depend on the assumed parameters." in ran.out, ran.out
    after = _started(out)
    assert {name: after[name] for name in before} == before and len(after) == 5
    whole = sweep(scenario, world / "whole", Options(folder=world), lambda: "now")
    rows = json.loads((world / "whole" / "sweep.json").read_text())["rows"]
    assert rows == json.loads((out / "sweep.json").read_text())["rows"]
    assert {row.winner for row in whole.rows} == {"behind"}


@pytest.mark.usefixtures("few_settings")
def test_opinions_are_asked_once_for_all_settings(
    focusgroup: Run, world: Path, server: Any
) -> None:
    pooled = "{agent: llm, users: 2, style: score, decision: pooled, calibration_users: 4}"
    path = world / "scenario.yaml"
    text = path.read_text().replace("{agent: behaviour, users: 20}", pooled)
    text = text.replace("pages: 3", "pages: 1")
    path.write_text(text + "calibration: users.json\n")
    llm = ("--llm", f"openai:demo-model@{server.url}")
    ran = focusgroup(
        "calibrate", "--data", world / "log.yaml", *llm, "--style", "score", "--set", "page.k=5",
        "--set", "data.min_history=5", "--calibration-users", 4, "--out", world / "users.json",
        "--quiet",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    arguments = ("run", path, *llm, "--sweep", "assumed", "--quiet", "--out")
    ran = focusgroup(*arguments, world / "run", "--max-tokens", 100)
    assert ran.code == 2 and "hold for one run" in ran.err
    before = len(server.seen())
    ran = focusgroup(*arguments, world / "run")
    assert ran.code == 0, ran.err
    bodies = [json.dumps(body, sort_keys=True) for body in server.seen()[before:]]
    assert bodies and len(bodies) == len(set(bodies))
    weights = [
        json.loads(manifest.read_text())["weights"]
        for manifest in (world / "run").glob("sweep/*/manifest.json")
    ]
    assert len(weights) == 5 and all(weight == weights[0] for weight in weights)


def test_what_cannot_be_swept_is_refused_and_leaves_nothing(focusgroup: Run, world: Path) -> None:
    out = world / "run"
    path = world / "scenario.yaml"
    ran = focusgroup("run", path, "--sweep", "asumed", "--out", out)
    assert ran.code == 2 and "assumed" in ran.err
    one = ("--set", "recommenders={random: {}}")
    ran = focusgroup("run", path, *one, "--sweep", "assumed", "--out", world / "one")
    assert ran.code == 2 and "fewer than two recommenders" in ran.err, ran
    path.write_text(path.read_text().replace("agent: behaviour", "agent: popularity"))
    ran = focusgroup("run", path, "--sweep", "assumed", "--out", out)
    assert ran.code == 2 and "no audience of this scenario depends" in ran.err
    path.write_text(path.read_text().replace("agent: popularity", "agent: behaviour"))
    typo = ("--set", "recommenders={random: {}, popularty: {}}")
    ran = focusgroup("run", path, *typo, "--sweep", "assumed", "--out", out)
    assert ran.code == 2 and "Did you mean 'popularity'?" in ran.err
    assert not out.exists()


def _scenario(**more: object) -> Scenario:
    content = {
        "title": "t",
        "data": {"name": "d"},
        "recommenders": ["a", "b"],
        "audiences": {
            "own": {"agent": "llm"},
            "pooled": {"agent": "llm", "decision": "pooled"},
            "silent": {"agent": "behaviour"},
        },
        **more,
    }
    return scenario_from(content)


def test_settings_change_one_parameter_each_and_name_what_they_leave_out() -> None:
    swept, left_out = swept_audiences(_scenario())
    assert list(swept) == ["pooled", "silent"] and "own word" in left_out["own"]
    settings, idle = settings_of(_scenario(rounds=2, assumed={"slot": 0.0}), Domain("shop"))
    assert set(idle) == {"elasticity", "conversion"} and len(settings) == 1 + 1 + 2 * 5
    by_name = {setting.name: setting.assumed for setting in settings}
    assert settings[0].name == DEFAULT
    assert by_name["slot-usual"].slot == 0.15 and "slot-half" not in by_name
    assert by_name["leave-less"].leave == pytest.approx(-2.2)
    assert by_name["repeat_shown-double"].repeat_shown == 2.0
    for setting in settings[1:]:
        before = settings[0].assumed.model_dump()
        after = setting.assumed.model_dump()
        assert [name for name in before if before[name] != after[name]] == [setting.parameter]
    priced, idle = settings_of(
        _scenario(assumed={"conversion": 0.7}), Domain("shop", has_prices=True)
    )
    assert {s.name: s.assumed.conversion for s in priced}["conversion-double"] == 1.0
    assert "conversion" not in idle and "repeat_shown" in idle


def _results(metric: str, **above: tuple[float, float, float]) -> Results:
    pairs = tuple(
        PairedDifference("all", arm, "w", metric, Estimate(*d, 40), 0.01, None, 0.1, True, 0)
        for arm, d in above.items()
    )
    return Results((), (), (), (), {}, (), Comparison("w", metric, pairs, {}))


@pytest.mark.parametrize(
    ("metric", "above", "winner", "against", "standing"),
    [
        ("click_rate", {"a": (-0.1, -0.2, -0.05), "b": (-0.3, -0.4, -0.2)}, "w", "a", "same"),
        ("click_rate", {"a": (0.1, -0.2, 0.4), "b": (-0.3, -0.4, -0.2)}, "a", "w", "close"),
        ("click_rate", {"a": (0.1, 0.05, 0.4), "b": (0.2, 0.1, 0.3)}, "b", "w", "other"),
        ("failed_share", {"a": (0.1, 0.05, 0.4), "b": (0.2, 0.1, 0.3)}, "w", "a", "same"),
    ],
)
def test_a_row_knows_who_wins_and_whether_surely(
    metric: str, above: dict[str, Any], winner: str, against: str, standing: str
) -> None:
    known = metric_named(metric if metric == "click_rate" else _lower_is_better())
    results = _results(known.name, **above)
    setting = Setting("slot-half", "slot", _scenario().assumed)
    row = row_of(setting, "all", results, "w", known)
    assert (row.winner, row.against, row.standing.value) == (winner, against, standing)
    with pytest.raises(UserError, match="fewer than two"):
        row_of(setting, "nobody", results, "w", known)


def _lower_is_better() -> str:
    from focusgroup.simulator.metrics import METRICS

    return next(name for name, metric in METRICS.items() if metric.better.value == "lower")


def _row(name: str, standing: Standing, low: float = 0.1) -> SweepRow:
    parameter, told = name.partition("-")[0].replace(DEFAULT, ""), name.replace("-", " ")
    winner = "w" if standing is Standing.SAME else "a"
    difference = Estimate(0.2, low, 0.3, 40)
    return SweepRow(name, parameter, told, "all", winner, "b", difference, standing)


def test_the_sentence_says_no_more_than_the_intervals() -> None:
    first = _row(DEFAULT, Standing.SAME)
    none = [first, _row("slot-half", Standing.SAME)]
    assert conclusion(none, "all") == "all: the winner does not depend on the assumed parameters."
    faint = conclusion([first, _row("slot-half", Standing.SAME, -0.1)], "all")
    assert "does not depend" in faint and "within its interval with: slot half" in faint
    close = conclusion([first, _row("leave-more", Standing.CLOSE, -0.1)], "all")
    assert "may depend on: leave" in close
    other = conclusion([*none, _row("slot-double", Standing.OTHER)], "all")
    assert "the winner depends on: slot (with slot double a wins)" in other
    nobody = conclusion([replace(first, difference=Estimate(0.2, -0.1, 0.3, 40)), *none[1:]], "all")
    assert "Nobody wins clearly to begin with" in nobody
