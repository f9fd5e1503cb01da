"""Whatever a person gets wrong: one clear line, exit code 2, no traceback, nothing left behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def _fails(ran: Any, *parts: str) -> None:
    assert ran.code == 2, ran
    lines = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in ran.err
    for part in parts:
        assert part in ran.err, (part, ran.err)


def _edit(world: Path, old: str, new: str) -> Path:
    path = world / "scenario.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_missing_scenario_file(focusgroup: Run, tmp_path: Path) -> None:
    _fails(focusgroup("run", tmp_path / "nope.yaml"), "nope.yaml: no such scenario file")


def test_library_name_with_a_typo(focusgroup: Run) -> None:
    _fails(focusgroup("run", "movies-quickstrat"), "Did you mean 'movies-quickstart'?")


def test_unknown_scenario_key_has_its_line(focusgroup: Run, world: Path) -> None:
    path = _edit(world, "primary: click_rate", "primray: click_rate")
    _fails(focusgroup("run", path), "scenario.yaml, line 9", "'primray'", "Did you mean 'primary'?")


def test_unknown_nested_key_has_its_line(focusgroup: Run, world: Path) -> None:
    path = _edit(world, "{k: 5, pages: 3}", "{k: 5, pagse: 3}")
    _fails(focusgroup("run", path), "line 5", "'page.pagse'", "Did you mean 'pages'?")


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "meant"),
    [
        ("title: Two", "titel: Two", 1, "'titel'", "'title'"),
        ("  name: ", "  nmae: ", 3, "'data.nmae'", "'name'"),
        ("5\npage", "5\n  split: {trainin: 0.3}\npage", 5, "'data.split.trainin'", "'training'"),
        ("item_knn]", "{item_knn: {parms: {}}}]", 6, "'recommenders.item_knn.parms'", "'params'"),
        ("users: 20", "user: 20", 8, "'audiences.everyone.user'", "'users'"),
        ("primary", "assumed: {slto: 0.1}\nprimary", 9, "'assumed.slto'", "'slot'"),
    ],
)
def test_a_misspelt_key_is_told_at_any_depth(
    focusgroup: Run, world: Path, old: str, new: str, line: int, key: str, meant: str
) -> None:
    """Also where the right one is needed and now missing."""
    path = _edit(world, old, new)
    _fails(focusgroup("run", path), f"line {line}: unknown key {key}", f"Did you mean {meant}?")


def test_a_misspelt_key_of_a_mapping_is_told(focusgroup: Run, world: Path) -> None:
    mapping = world / "log.yaml"
    mapping.write_text(mapping.read_text().replace("  user: who", "  usr: who"))
    ran = focusgroup("run", world / "scenario.yaml", "--out", world / "run")
    _fails(ran, "log.yaml, line 6", "'interactions.usr'", "'user'?")


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("runs/nightl", "'runs/nightly'"),
        ("nightly", "'runs/nightly'"),
        ("movies-quikstart", "'movies-quickst"),
    ],
)
def test_neither_a_run_nor_a_scenario(
    focusgroup: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "nightly").mkdir(parents=True)
    (tmp_path / "runs" / "nightly" / "manifest.json").touch()
    _fails(focusgroup("duel", target), f"no run or scenario '{target}'", f"Did you mean {hint}")


def test_unknown_recommender(focusgroup: Run, world: Path) -> None:
    path = _edit(world, "item_knn", "itemknn")
    _fails(focusgroup("run", path, "--out", world / "run"), "itemknn", "Did you mean 'item_knn'?")
    assert not (world / "run").exists()


def test_unknown_metric(focusgroup: Run, world: Path) -> None:
    path = _edit(world, "primary: click_rate", "primary: clickrate")
    _fails(focusgroup("run", path, "--out", world / "run"), "Did you mean 'click_rate'?")


def test_missing_data_file(focusgroup: Run, world: Path) -> None:
    (world / "log.csv").unlink()
    _fails(focusgroup("run", world / "scenario.yaml", "--out", world / "run"), "log.csv")
    assert not (world / "run").exists()


def test_wrong_column(focusgroup: Run, world: Path) -> None:
    mapping = world / "log.yaml"
    mapping.write_text(mapping.read_text().replace("rating: stars", "rating: star"))
    _fails(
        focusgroup("run", world / "scenario.yaml", "--out", world / "run"),
        "log.csv",
        "'star'",
        "Did you mean 'stars'?",
    )


def test_empty_dataset(focusgroup: Run, world: Path) -> None:
    (world / "log.csv").write_text("who,what,stars,when\n")
    _fails(
        focusgroup("run", world / "scenario.yaml", "--out", world / "run"),
        "log.csv",
        "at least one",
    )


def test_page_larger_than_the_catalogue(focusgroup: Run, world: Path) -> None:
    _fails(
        focusgroup("run", world / "scenario.yaml", "--set", "page.k=61", "--out", world / "run"),
        "page.k: pages of 61 items",
        "has 60",
    )


def test_more_users_than_there_are(focusgroup: Run, world: Path) -> None:
    _fails(
        focusgroup("run", world / "scenario.yaml", "--users", 500, "--out", world / "run"),
        "audiences.everyone.users: 500 asked for",
    )


def test_out_holds_another_run(focusgroup: Run, world: Path) -> None:
    out = world / "run"
    assert focusgroup("run", world / "scenario.yaml", "--out", out, "--quiet").code == 0
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    _fails(
        focusgroup("run", world / "scenario.yaml", "--out", out),
        "holds another run",
        "focusgroup resume",
    )
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before


def test_out_holds_other_files(focusgroup: Run, world: Path) -> None:
    _fails(focusgroup("run", world / "scenario.yaml", "--out", world), "not an empty folder")


def test_server_down_at_the_start(focusgroup: Run, world: Path) -> None:
    path = _edit(world, "{agent: behaviour, users: 20}", "{agent: llm, users: 4}")
    url = "http://127.0.0.1:9/v1"
    ran = focusgroup("run", path, "--llm", f"openai:tiny@{url}", "--out", world / "run")
    _fails(ran, url)
    assert not (world / "run").exists()


def test_unknown_backend(focusgroup: Run, world: Path) -> None:
    path = _edit(world, "{agent: behaviour, users: 20}", "{agent: llm, users: 4}")
    _fails(focusgroup("run", path, "--llm", "embeded"), "Did you mean 'embedded'?")


def test_llm_flag_without_a_speaking_audience(focusgroup: Run, world: Path) -> None:
    _fails(focusgroup("run", world / "scenario.yaml", "--llm", "embedded"), "no audience")


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("page.k", "write key=value"),
        ("page.kk=3", "Did you mean 'k'?"),
        ("paeg.k=3", "Did you mean 'page'?"),
        ("rounds=none", "'rounds'"),
        ("page.k.x=3", "holds a plain value"),
    ],
)
def test_wrong_setting(focusgroup: Run, world: Path, setting: str, part: str) -> None:
    _fails(focusgroup("run", world / "scenario.yaml", "--set", setting), part)


def test_option_for_the_wrong_agent(focusgroup: Run, world: Path) -> None:
    path = _edit(world, "users: 20}", "users: 20, style: score}")
    _fails(focusgroup("run", path), "'style' is for agent: llm")


@pytest.mark.parametrize("command", ["resume", "compare", "report", "export"])
def test_no_run_there(focusgroup: Run, tmp_path: Path, command: str) -> None:
    more = ["--format", "recbole", "--out", tmp_path / "x"] if command == "export" else []
    _fails(focusgroup(command, tmp_path, *more), "no run here")


def test_unknown_export_format_and_arm(focusgroup: Run, world: Path) -> None:
    out = world / "run"
    focusgroup("run", world / "scenario.yaml", "--out", out, "--quiet")
    to = ("--out", world / "export")
    _fails(focusgroup("export", out, "--format", "recbol", *to), "Did you mean 'recbole'?")
    _fails(
        focusgroup("export", out, "--format", "recbole", "--arm", "item_kn", *to),
        "Did you mean 'item_knn'?",
    )


def test_replay_without_the_answers(focusgroup: Run, world: Path) -> None:
    path = _edit(world, "{agent: behaviour, users: 20}", "{agent: llm, users: 4}")
    arguments = ("--llm", "openai:tiny@http://127.0.0.1:9/v1", "--journal-mode", "replay")
    _fails(focusgroup("run", path, *arguments, "--journal", world / "none.sqlite"), "no such file")


def test_a_second_process_is_refused(focusgroup: Run, world: Path) -> None:
    import fcntl

    out = world / "run"
    focusgroup("run", world / "scenario.yaml", "--out", out, "--quiet")
    with (out / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        _fails(focusgroup("resume", out), "another process is working on this run")
    assert focusgroup("resume", out, "--quiet").code == 0


def test_style_score_without_logprobs(
    focusgroup: Run, world: Path, start_server: Callable[..., Any]
) -> None:
    path = _edit(world, "{agent: behaviour, users: 20}", "{agent: llm, users: 4}")
    with start_server("--no-logprobs") as server:
        llm = f"openai:demo-model@{server.url}"
        ran = focusgroup("run", path, "--llm", llm, "--style", "score", "--out", world / "run")
    _fails(ran, "style score needs log-probabilities", "--style answer")
    assert not (world / "run").exists()


def test_unknown_model_on_the_server(
    focusgroup: Run, world: Path, start_server: Callable[..., Any]
) -> None:
    path = _edit(world, "{agent: behaviour, users: 20}", "{agent: llm, users: 4}")
    with start_server("--model", "qwen") as server:
        ran = focusgroup("run", path, "--llm", f"openai:qwne@{server.url}")
    _fails(ran, "'qwne'", "Did you mean 'qwen'?")


OWN = """\
from focusgroup.simulator import Slate


class Picky:
    def fit(self, log):
        return self

    def recommend(self, requests):
        return [Slate(("f00",)) for _ in requests]


class Broken:
    def recommend(self, requests):
        raise ZeroDivisionError("division by zero")
"""


def _own(world: Path, name: str) -> tuple[object, ...]:
    (world / "mine.py").write_text(OWN)
    path = _edit(world, "item_knn]", f"{{mine: mine.py:{name}}}]")
    return "run", path, "--out", world / "run", "--quiet"


def test_a_recommender_whose_fit_takes_other_arguments(focusgroup: Run, world: Path) -> None:
    _fails(focusgroup(*_own(world, "Picky")), "'mine' cannot learn: TypeError", "fit(interactions")
    assert not (world / "run").exists()


def test_a_recommender_that_always_fails_is_named_and_left_out(
    focusgroup: Run, world: Path
) -> None:
    ran = focusgroup(*_own(world, "Broken"))
    assert ran.code == 1 and "every visit failed: everyone/mine" in ran.err, ran
    told = r"failed: everyone, mine: recommender \d+, e.g. ZeroDivisionError: division by"
    assert re.search(told, ran.out)
    assert "Left out: mine, where every visit failed." in " ".join(ran.out.split())
    assert "random - popularity" in ran.out


def test_version_and_help(focusgroup: Run) -> None:
    assert focusgroup("--version").out.strip()[0].isdigit()
    assert "demo" in focusgroup().out + focusgroup("--help").out


def test_a_wrong_scale_says_how_to_name_it(focusgroup: Run, world: Path) -> None:
    log = world / "log.csv"
    log.write_text(log.read_text() + "u000,f00,9,1600000099\n")
    _fails(focusgroup("run", world / "scenario.yaml"), "scale: [1, 10]", "log.csv")


def test_a_duel_is_no_style_of_a_run(focusgroup: Callable[..., Any]) -> None:
    done = focusgroup("run", "movies-quickstart", "--style", "duel")
    assert done.code == 2
    assert "focusgroup duel" in done.err
