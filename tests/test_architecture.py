"""The folders tell the truth: imports point down, every package is shipped, files stay small."""

from __future__ import annotations

import ast
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("simulator", "agents", "recommenders", "scenarios")
MAY_IMPORT = {
    "simulator": {"simulator"},
    "agents": {"agents", "simulator"},
    "recommenders": {"recommenders", "simulator"},
    "scenarios": set(PACKAGES),
}
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def _imported(path: Path) -> Iterator[str]:
    """Absolute names of all modules a file imports."""
    own = ["focusgroup", *path.relative_to(ROOT).with_suffix("").parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = own[: -node.level] if node.level else []
            yield ".".join([*base, *([node.module] if node.module else [])])


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    for name in _imported(path):
        parts = name.split(".")
        assert parts[0] not in (*PACKAGES, "tests"), f"{name}: import focusgroup.{name}"
        if parts[0] == "focusgroup":
            assert parts[1] in MAY_IMPORT[package], f"{package} must not import {name}"


def test_the_simulator_knows_no_model_and_no_matrix() -> None:
    core = [ROOT / "simulator" / f"{n}.py" for n in ("session", "desk", "simulation", "protocols")]
    heavy = {"openai", "implicit", "sklearn", "scipy", "xllamacpp"}
    assert not {n.split(".")[0] for path in core for n in _imported(path)} & heavy


def test_every_package_is_shipped() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    present = {
        ".".join(("focusgroup", *path.parent.relative_to(ROOT).parts))
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert present == set(project["packages"])
    data = {
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".md", ".yaml", ".html", ".css", ".typed")
    }
    shipped = {
        path
        for package, patterns in project["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.removeprefix("focusgroup.").replace(".", "/")).glob(pattern)
    }
    assert data == shipped


def test_files_are_short_and_named_by_nouns() -> None:
    ours = [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    for path in ours:
        assert len(path.read_text().splitlines()) <= 400, path
        assert path.stem not in {"utils", "util", "helpers", "common", "misc", "base", "manager"}


def test_the_loop_is_under_sixty_lines_of_code() -> None:
    source = (ROOT / "simulator" / "session.py").read_text()
    loop = next(
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.AsyncFunctionDef) and node.name == "run_session"
    )
    lines = source.splitlines()[loop.lineno - 1 : loop.end_lineno]
    code = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    assert len(code) < 60


def test_the_architecture_document_matches_the_tree() -> None:
    written = runpy.run_path(str(ROOT / "docs" / "list_files.py"))["page"]()
    assert (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8") == written, "make docs"
