"""A scenario from a stranger writes inside its run directory, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from focusgroup.agents import load_personas
from focusgroup.scenarios.scenario import scenario_from
from focusgroup.simulator import UserError

Run = Callable[..., Any]
NASTY = ["..", "CON", "=1+1", "a:b", "<b>&", "--out", "$(id)", "％2e％2e", "n" * 60, "'; DROP--"]


def _tree(folder: Path, but: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
        if but not in (path, *path.parents)
    }


def test_hostile_names_stay_inside(
    focusgroup: Run, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arms, audiences, a title, a file's own name: all that a stranger may choose."""
    home = world / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    content = yaml.safe_load((world / "scenario.yaml").read_text())
    content["title"] = "../../../escaped"
    content["recommenders"] = {
        name: {"use": ("random", "popularity")[n % 2]} for n, name in enumerate(NASTY[:2])
    }
    content["audiences"] = {name: {"agent": "random", "users": 2} for name in NASTY[2:]}
    scenario = world / "..;=1+1 <b>.yaml"
    scenario.write_text(yaml.safe_dump(content, allow_unicode=True))
    run, out = home / "runs" / "one", home / "out"
    before = _tree(world, run)
    ran = focusgroup("run", scenario, "--out", run, "--quiet")
    assert ran.code == 0, ran
    assert focusgroup("compare", run).code == 0
    assert focusgroup("report", run).code == 0
    report = (run / "report.html").read_text()
    assert "=1+1 <b>" not in report and "=1+1 &lt;b&gt;" in report
    after = _tree(world, run)
    assert {path: after[path] for path in after if path != str(home / "runs")} == before
    for format in ("parquet", "recbole"):
        ran = focusgroup("export", run, "--format", format, "--out", out)
        assert ran.code == 0, ran
    after = _tree(world, run)
    made = {path for path in after if path not in before} - {str(home / "runs"), str(out)}
    assert made and all(Path(path).parent == out for path in made)


def test_the_default_folder_of_a_run_is_in_runs(
    focusgroup: Run, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = world / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    scenario = world / "...yaml"
    scenario.write_text((world / "scenario.yaml").read_text())
    before = _tree(world, home / "runs")
    assert focusgroup("run", scenario, "--users", 2, "--quiet").code == 0
    assert _tree(world, home / "runs") == before
    assert len(list((home / "runs").iterdir())) == 1


@pytest.mark.parametrize("key", ["recommenders", "audiences"])
def test_names_that_are_paths_or_unseen_are_refused(payload: Any, key: str) -> None:
    content: dict[str, Any] = {
        "title": "t",
        "data": {"name": "movies"},
        "recommenders": {"random": {}},
        "audiences": {"a": {"agent": "behaviour"}},
    }
    name = payload.text
    content[key] = {name: {"use": "random"} if key == "recommenders" else {"agent": "behaviour"}}
    try:
        made = scenario_from(content)
    except UserError:
        return
    (kept,) = getattr(made, key)
    assert kept == name
    assert not set("/\\\n\r\t\x00\x1b\u202e\u200b").intersection(kept) and len(kept) <= 60


def test_a_title_is_one_visible_line(payload: Any) -> None:
    content = {
        "title": payload.text,
        "data": {"name": "movies"},
        "recommenders": ["random"],
        "audiences": {"a": {"agent": "behaviour"}},
    }
    try:
        made = scenario_from(content)
    except UserError as error:
        assert len(str(error)) < 500
        assert not set("\n\x1b\u202e").intersection(str(error))
        return
    assert made.title == payload.text
    assert not set("\n\r\t\x00\x1b\u2028\u202e\u200b").intersection(made.title)


@pytest.mark.parametrize("key", ["members", "personas"])
@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "missing"])
def test_what_is_no_file_is_not_read(focusgroup: Run, world: Path, key: str, kind: str) -> None:
    os.mkfifo(world / "pipe")
    place = {"device": "/dev/zero", "folder": str(world)}.get(kind, str(world / kind))
    agent = "llm, llm: 'openai:m@http://127.0.0.1:9/v1'" if key == "personas" else "behaviour"
    path = world / "scenario.yaml"
    text = path.read_text().replace(
        "{agent: behaviour, users: 20}", f"{{agent: {agent}, users: 2, {key}: '{place}'}}"
    )
    path.write_text(text)
    ran = focusgroup("run", path, "--out", world / "run", "--quiet")
    assert ran.code == 2 and place in ran.err
    assert not (world / "run").exists()


def test_a_file_that_is_no_list_of_personas_is_not_repeated(tmp_path: Path) -> None:
    secret = tmp_path / "id_rsa"
    for text in ("-----BEGIN KEY-----\nc2VjcmV0: [x\n", "c2VjcmV0\n", "- c2VjcmV0: 1\n  - x"):
        secret.write_text(text)
        with pytest.raises(UserError) as raised:
            load_personas(secret)
        assert "c2VjcmV0" not in str(raised.value)
