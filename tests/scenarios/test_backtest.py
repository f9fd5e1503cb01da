"""Past A/B tests are predicted blind, then held against what came out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from focusgroup.scenarios.backtest import read_backtest
from focusgroup.scenarios.backtest_run import changed
from focusgroup.simulator import UserError

Run = Callable[..., Any]

HEAD = """\
data: {name: log.yaml, min_history: 5}
page: {k: 5, pages: 2}
audience: {agent: behaviour, users: 30}
tests:
"""
RIGHT = """\
  - name: neighbours help
    arms: {A: random, B: item_knn}
    observed: {difference: 0.1, low: 0.05, high: 0.15}
"""
WRONG = """\
  - name: told the wrong way
    arms: {A: item_knn, B: random}
    relative: true
    observed: {difference: 0.3, low: 0.2, high: 0.4}
"""
SAME = """\
  - name: twice the same
    arms: {A: random, B: random}
    observed: {difference: 0.01, low: -0.01, high: 0.03}
"""
SLATES = """\
  - name: taste against the other taste
    arms: {A: {slates: other.csv}, B: {slates: own.jsonl}}
    observed: {difference: 0.2, low: 0.1, high: 0.3}
"""


def _films(user: int, own: bool) -> list[str]:
    """Films of the user's taste, or of the other one; the twelve most popular."""
    return [f"f{n:02d}" for n in range(24) if (n % 2 == user % 2) == own]


def _write_slates(world: Path) -> None:
    """The other taste was shown to the first 60 users, their own to the last 60."""
    rows = [f"u{u:03d},{film}" for u in range(60) for film in _films(u, own=False)]
    (world / "other.csv").write_text("user_id,item_id\n" + "\n".join(rows) + "\n")
    lines = [json.dumps({"user_id": f"u{u:03d}", "item_ids": _films(u, own=True)})
             for u in range(30, 90)]  # fmt: skip
    (world / "own.jsonl").write_text("\n".join(lines) + "\n")


@pytest.fixture
def tests_file(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    _write_slates(world)
    path = world / "ab.yaml"
    path.write_text(HEAD + RIGHT + WRONG + SAME + SLATES)
    return path


def test_planted_outcomes_are_judged_and_the_prediction_never_saw_them(
    focusgroup: Run, tests_file: Path
) -> None:
    ran = focusgroup("backtest", tests_file, "--out", "out", "--quiet")
    assert ran.code == 0, ran.err
    found = json.loads((tests_file.parent / "out" / "backtest.json").read_text())
    tests = {test["name"]: test for test in found["tests"]}
    assert tests["neighbours help"]["right"] is True
    assert tests["told the wrong way"]["right"] is False
    assert tests["told the wrong way"]["predicted"]["high"] < 0
    assert found["wrong"] == ["told the wrong way", "twice the same"]
    assert tests["twice the same"]["predicted"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 30}
    slates = tests["taste against the other taste"]
    assert slates["right"] is True and slates["predicted"]["low"] > 0
    assert 0 < slates["users_in_both"] < slates["predicted"]["n"] <= 36
    assert found["direction"]["value"] == 0.5 and found["direction"]["n"] == 4
    assert found["direction_clear"]["n"] == 3
    assert "click rate, relative" in ran.out
    assert "Wrong: 2 tests." in ran.out and "told the wrong way: we said" in ran.out
    assert "the outcome itself is not clear" in ran.out
    assert "Certificate: None." in ran.out

    content = yaml.safe_load(tests_file.read_text())
    for test in content["tests"]:
        was = test["observed"]
        test["observed"] = {"difference": -was["difference"], "low": -was["high"],
                            "high": -was["low"]}  # fmt: skip
    tests_file.write_text(yaml.safe_dump(content))
    again = focusgroup("backtest", tests_file, "--out", "out", "--quiet", "--json")
    assert again.code == 0, again.err
    turned = json.loads(again.out)
    assert [t["predicted"] for t in turned["tests"]] == [t["predicted"] for t in found["tests"]]
    assert turned["wrong"] == ["neighbours help", "twice the same", "taste against the other taste"]

    content["tests"][0]["arms"]["A"] = "popularity"
    tests_file.write_text(yaml.safe_dump(content))
    other = focusgroup("backtest", tests_file, "--out", "out", "--quiet")
    assert other.code == 2
    assert "holds a run of other tests; choose another --out" in other.err


def test_a_dry_run_says_what_would_be_run_and_runs_nothing(
    focusgroup: Run, tests_file: Path
) -> None:
    ran = focusgroup("backtest", tests_file, "--out", "out", "--dry-run")
    assert ran.code == 0, ran.err
    assert "60 visits, nothing was run" in ran.out
    assert ran.out.count("users with a slate") == 2
    assert not Path("out").exists()


def _refused(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_backtest(path)
    return str(error.value)


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("{difference", "{lo: 1, difference", "line 7: unknown key 'tests.0.observed.lo'. Did you"),
        ("low: 0.05", "low: 0.5", "expected low <= difference <= high"),
        ("difference: 0.1,", "difference: much,", "line 7: key 'tests.0.observed.difference'"),
        ("{A: random, B: item_knn}", "{A: random}", "line 6: key 'tests.0.arms.B' is missing"),
        ("B: item_knn", "B: {slates: x.csv, use: als}", "one of the two"),
        ("B: item_knn", "B: {}", "one of the two"),
        ("B: item_knn", "B: {slates: x.csv, params: {a: 1}}", "slates take none"),
        ("    observed: {", "    metric: click_rat\n    observed: {", "Did you mean 'click_rate'"),
        ("neighbours help", "a/b", "tests.0.name"),
        ("users: 30", "users: 0", "line 3: key 'audience.users'"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_with_its_line(
    tmp_path: Path, was: str, now: str, said: str
) -> None:
    assert was in HEAD + RIGHT
    message = _refused(tmp_path / "ab.yaml", (HEAD + RIGHT).replace(was, now))
    assert message.startswith(str(tmp_path / "ab.yaml"))
    assert said in message


def test_a_file_that_is_missing_or_says_a_name_twice_is_refused(tmp_path: Path) -> None:
    assert "two tests are named" in _refused(tmp_path / "ab.yaml", HEAD + RIGHT + RIGHT)
    assert "tests" in _refused(tmp_path / "ab.yaml", HEAD.replace("tests:", "tests: []"))
    with pytest.raises(UserError, match="no such file"):
        read_backtest(tmp_path / "elsewhere.yaml")


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ("itemknn", "test 'neighbours help', arm B: .*Did you mean 'item_knn'"),
        ("{use: als, params: {factor: 3}}", "arm B: .*factor"),
        ("'nowhere:Mine'", "arm B: there is no module 'nowhere'"),
        ("{slates: gone.csv}", "arm B: .*gone.csv: cannot be read"),
        ("{slates: strange.csv}", "item 'f99' in the slate of user 'u000' is not in the catalogue"),
        ("{slates: strangers.csv}", "1 users with a slate the split leaves none"),
    ],
)
def test_an_arm_that_names_nothing_is_refused_before_anything_runs(
    focusgroup: Run, tests_file: Path, arm: str, said: str
) -> None:
    Path("strange.csv").write_text("user_id,item_id\nu000,f99\n")
    Path("strangers.csv").write_text("user_id,item_id\nnobody,f01\n")
    tests_file.write_text((HEAD + RIGHT).replace("B: item_knn", f"B: {arm}"))
    ran = focusgroup("backtest", tests_file, "--out", "out", "--quiet")
    assert ran.code == 2
    assert re.search(said, ran.err), ran.err
    assert not Path("out").exists()


def test_more_users_than_there_are_and_members_of_nowhere_are_refused(
    focusgroup: Run, tests_file: Path
) -> None:
    ran = focusgroup("backtest", tests_file, "--users", 500, "--out", "out", "--quiet")
    assert ran.code == 2 and "500 asked for, but the split leaves" in ran.err
    audience = "{agent: behaviour, users: 3, members: gone.txt}"
    scenario = Path("scenario.yaml").read_text().replace("{agent: behaviour, users: 20}", audience)
    Path("scenario.yaml").write_text(scenario)
    ran = focusgroup("run", "scenario.yaml", "--out", "r", "--quiet")
    assert ran.code == 2 and "no such file gone.txt" in ran.err
    Path("gone.txt").write_text("u000\nnobody\n")
    ran = focusgroup("run", "scenario.yaml", "--out", "r", "--quiet")
    assert ran.code == 2 and "of the 2 members in" in ran.err


def test_the_command_line_changes_who_answers(tests_file: Path) -> None:
    spec = read_backtest(tests_file)
    asked = changed(spec, llm="openai:m@http://x/v1", style="score", users=7, seed=3)
    assert asked.audience.agent == "llm" and asked.audience.decision == "pooled"
    assert (asked.audience.style, asked.audience.users, asked.seed) == ("score", 7, 3)
    assert changed(asked, llm="none").audience.agent == "behaviour"
    assert changed(asked, llm="embedded").audience.style == "score"
    with pytest.raises(UserError, match="--style: no language model answers"):
        changed(spec, style="score")
    with pytest.raises(UserError, match="neither answer nor score"):
        changed(spec, llm="embedded", style="sing")
