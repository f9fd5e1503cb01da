"""What the command line changes in a scenario: `--set key=value` and the flags with names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from focusgroup.simulator.errors import UserError, did_you_mean

from .scenario import Scenario, scenario_from


def override(
    scenario: Scenario,
    *,
    settings: Sequence[str] = (),
    seed: int | None = None,
    users: int | None = None,
    llm: str | None = None,
    style: str | None = None,
    calibration: Path | None = None,
) -> Scenario:
    """The scenario with changes made; flags win over `--set`.

    Args:
        settings: ``key.subkey=value``, the value in YAML.
        users: of every audience.
        llm: of every audience with a language model. ``none`` leaves those audiences out, or, if
            there is no other, lets the behaviour model alone answer for them.
        style: of every audience with a language model.
        calibration: a file, from the current folder.

    Raises:
        UserError: unknown key (did you mean), wrong value, or a flag that fits no audience.
    """
    raw = scenario.model_dump(mode="json", exclude_unset=True)
    for setting in settings:
        _set(raw, setting, scenario)
    if seed is not None:
        raw["seed"] = seed
    if calibration is not None:
        raw["calibration"] = str(calibration.resolve())
    audiences = raw["audiences"]
    if users is not None:
        for audience in audiences.values():
            audience["users"] = users
    speaking = [
        name for name, audience in audiences.items() if audience.get("agent", "llm") == "llm"
    ]
    for flag, value in (("llm", llm), ("style", style)):
        if value is not None and not speaking and value != "none":
            raise UserError(f"--{flag}: no audience of this scenario has a language model")
    for name in speaking:
        if llm == "none" and len(audiences) > 1:
            del audiences[name]
        elif llm == "none":
            audiences[name] = {"agent": "behaviour", "users": audiences[name].get("users", 50)}
        elif llm is not None:
            audiences[name]["llm"] = llm
        if style is not None and llm != "none":
            audiences[name]["style"] = style
    return scenario_from(raw, "after the command line's changes, scenario")


def _set(raw: dict[str, object], setting: str, scenario: Scenario) -> None:
    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise UserError(f"--set {setting!r}: write key=value, e.g. --set page.k=5")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"--set {setting!r}: the value is not valid YAML: {error}") from error
    keys = path.split(".")
    full = scenario.model_dump(mode="json")
    node: dict[str, object] = raw
    for depth, key in enumerate(keys[:-1]):
        known = _inside(full, keys[:depth])
        if isinstance(known, dict) and key not in known:
            where = ".".join(keys[: depth + 1])
            raise UserError(f"--set {path}: no key {where!r}.{did_you_mean(key, known)}")
        child = node.setdefault(key, {})
        if not isinstance(child, dict):
            raise UserError(f"--set {path}: {'.'.join(keys[: depth + 1])} holds a plain value")
        node = child
    node[keys[-1]] = value


def _inside(tree: object, keys: Sequence[str]) -> object:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
