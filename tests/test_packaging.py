"""The wheel brings `focusgroup` alone: `agents` and `recommenders` are other people's names."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import focusgroup.agents
import focusgroup.agents.llm
import focusgroup.recommenders
import focusgroup.scenarios
import focusgroup.simulator
import focusgroup.simulator.export
import focusgroup.simulator.report

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_holds_the_namespace_only(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"focusgroup"}
    for needed in (
        "focusgroup/simulator/session.py",
        "focusgroup/simulator/report/report.css",
        "focusgroup/agents/prompts/zh/words.yaml",
        "focusgroup/agents/llm/server/openai.py",
        "focusgroup/scenarios/gallery/movies-quickstart.yaml",
        "focusgroup/scenarios/commands/runs.py",
        "focusgroup/agents/py.typed",
    ):
        assert needed in names
    assert not [name for name in names if "/tests/" in name or name.endswith(".gguf")]


def test_every_exported_name_exists() -> None:
    for module in (
        focusgroup.agents,
        focusgroup.agents.llm,
        focusgroup.recommenders,
        focusgroup.scenarios,
        focusgroup.simulator,
        focusgroup.simulator.export,
        focusgroup.simulator.report,
    ):
        assert len(module.__all__) == len(set(module.__all__))
        for name in module.__all__:
            assert hasattr(module, name), f"{module.__name__}.{name}"
