"""The scenarios that come with focusgroup."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from focusgroup.simulator.errors import UserError, did_you_mean

from .scenario import Scenario, read_scenario

_FOLDER = "gallery"


def library_names() -> tuple[str, ...]:
    """Names of the scenarios in the library, sorted."""
    folder = resources.files("focusgroup.scenarios") / _FOLDER
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir()
                        if f.name.endswith(".yaml")))  # fmt: skip


def library_text(name: str) -> str:
    """A scenario of the library as it is written, comments included. Raises UserError."""
    if name not in library_names():
        raise UserError(
            f"no scenario {name!r} in the library.{did_you_mean(name, library_names())}"
        )
    folder = resources.files("focusgroup.scenarios") / _FOLDER
    return (folder / f"{name}.yaml").read_text(encoding="utf-8")


def find_scenario(name_or_path: str) -> tuple[str, Scenario]:
    """(short name, scenario) of a file, or of the library.

    Raises:
        UserError: neither; or the scenario is wrong.
    """
    if name_or_path in library_names():
        folder = resources.files("focusgroup.scenarios") / _FOLDER
        with resources.as_file(folder / f"{name_or_path}.yaml") as path:
            return name_or_path, read_scenario(path)
    path = Path(name_or_path)
    if not path.suffix and not path.exists():
        raise UserError(
            f"no scenario {name_or_path!r}: neither a file nor in the library."
            f"{did_you_mean(name_or_path, library_names())}"
        )
    return path.stem, read_scenario(path)
