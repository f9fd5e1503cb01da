"""Every command and snippet of the README runs as written."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from focusgroup.agents.llm import parse_llm
from focusgroup.scenarios.cli import main

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return [body for name, body in fenced if name == language]


def commands(program: str) -> list[list[str]]:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [w for line in lines if (w := shlex.split(line, comments=True)) and w[0] == program]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader stands: a log.csv, and the YAML files as the README writes them."""
    folder = tmp_path_factory.mktemp("reader")
    rng = np.random.default_rng(0)
    rows = ["who,what,stars,when"]
    for user in range(150):
        for place, item in enumerate(rng.choice(50, 20, replace=False)):
            stars = int(np.clip(round(rng.normal(4 if item % 2 == user % 2 else 2.5, 1)), 1, 5))
            rows.append(f"u{user},i{item},{stars},{1_700_000_000 + place}")
    (folder / "log.csv").write_text("\n".join(rows) + "\n")
    (folder / "log.yaml").write_text(next(b for b in blocks("yaml") if "interactions" in b))
    (folder / "ab-tests.yaml").write_text(next(b for b in blocks("yaml") if "observed" in b))
    return folder


@pytest.fixture
def reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(folder)
    yield folder


@pytest.mark.parametrize("code", blocks("python"))
def test_python(code: str, reader: Path) -> None:
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "click rate" in done.stdout and (reader / "report.html").stat().st_size > 1_000_000


def test_focusgroup_commands(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the README's order; those that need a server are checked as far as they can be."""
    ran = 0
    for words in commands("focusgroup"):
        if "--llm" in words and "http://localhost:8000/v1" in words[-1]:
            assert parse_llm(words[words.index("--llm") + 1]) is not None
            monkeypatch.setattr(sys, "argv", [*words[:2], "--help"])
        else:
            monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as exit_:
            main()
        assert not exit_.value.code, words
        ran += 1
    assert ran >= 10
    assert (reader / "certificates" / "mine" / "certificate.html").exists()
    assert (reader / "synthetic").is_dir() and (reader / "runs" / "loop" / "report.html").exists()


def test_make_targets() -> None:
    for words in commands("make"):
        subprocess.run(["make", "-n", words[1]], cwd=ROOT, check=True, capture_output=True)
    run = (ROOT / ".ci" / "run").read_text()
    assert "make check" in run and "`make check`" in TEXT


def test_every_program_is_covered() -> None:
    programs = {
        shlex.split(line, comments=True)[0]
        for block in blocks("bash")
        for line in block.splitlines()
        if shlex.split(line, comments=True)
    }
    assert programs == {"make", "focusgroup", "vllm"}


def test_the_tree_names_the_folders() -> None:
    named = set(re.findall(r"^(\w+)/", blocks("")[0], re.MULTILINE))
    present = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".")}
    assert named == present - {
        "runs",
        "certificates",
        "build",
        "dist",
        "focusgroup.egg-info",
        "shared",
    }


def test_links_and_pictures_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / target).exists(), target


def test_figures_are_those_of_the_certificates() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "list_certificates.py"))
    for page in ("README", "FIDELITY"):
        text = made[page].read_text(encoding="utf-8")
        assert text == made[f"{page.lower()}_page"](), f"{made[page].name}: make docs"


def test_scenarios_in_the_table_are_those_in_the_gallery() -> None:
    named = set(re.findall(r"^\| `([a-z]+-[a-z]+)` \|", TEXT, re.MULTILINE))
    assert named == {p.stem for p in (ROOT / "scenarios" / "gallery").glob("*.yaml")}
    for path in (ROOT / "scenarios" / "gallery").glob("*.yaml"):
        yaml.safe_load(path.read_text())


def test_benchmarks_shown_are_those_kept() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "list_benchmarks.py"))
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert page == made["performance_page"](), "make docs"
