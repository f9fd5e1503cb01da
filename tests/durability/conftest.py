"""A small world, and a warm process that runs the command line in forks of itself (forks.py)."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]

AUDIENCES = """\
  speakers: {agent: llm, users: 8, style: answer, reviews: 0.3, interview: true}
  crowd: {agent: behaviour, users: 12}
"""


def _load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Fork:
    """What became of a fork. `code`: its exit code, or minus the signal that ended it."""

    code: int
    seconds: float
    out: str
    err: str


class Forks:
    """The warm process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forks.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )

    def run(self, *commands: tuple[object, ...], said: Path, **order: Any) -> Fork:
        """Run the commands in one fork; `order` as in forks.py."""
        order |= {"commands": [[str(a) for a in c] for c in commands], "said": str(said)}
        # A fork may die before it has opened anything.
        for path in (f"{said}.out", f"{said}.err", *filter(None, [order.get("asked")])):
            Path(path).write_text("")
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order, default=str) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        out, err = (Path(f"{said}.{name}").read_text() for name in ("out", "err"))
        assert told["code"] != 99, err  # an error of forks.py itself
        return Fork(told["code"], told["seconds"], out, err)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture(scope="session")
def stored() -> ModuleType:
    """stored.py: what a run directory holds."""
    return _load(Path(__file__).with_name("stored.py"), "focusgroup_stored")


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with closing(Forks()) as warm:
        yield warm


@pytest.fixture(scope="session")
def more_forks() -> Iterator[Forks]:
    """A second one, for what can be done at the same time."""
    with closing(Forks()) as warm:
        yield warm


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scenario.yaml: speakers and a crowd, two rounds, recommenders that learn."""
    folder = tmp_path_factory.mktemp("world")
    _load(TESTS / "conftest.py", "focusgroup_world").write_world(folder)
    path = folder / "scenario.yaml"
    text = path.read_text().replace("  everyone: {agent: behaviour, users: 20}\n", AUDIENCES)
    path.write_text(text + "rounds: 2\nretrain: fit\n")
    return folder
