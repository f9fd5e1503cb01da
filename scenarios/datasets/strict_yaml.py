"""YAML into a pydantic model; every complaint names the line and, for a typo, the likely word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from focusgroup.simulator.errors import UserError, did_you_mean

from .problems import shown

Model = TypeVar("Model", bound=BaseModel)
_Key = tuple[str | int, ...]
_MERGE_TAG = "tag:yaml.org,2002:merge"


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Read `path` as `model`.

    Raises:
        UserError: no such file, not YAML, a key twice, an unknown key, a value of the wrong type.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = dict(_lines(path, root, ())) if root is not None else {}
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        what = getattr(error, "problem", None) or error
        raise UserError(f"{path}{where}: not valid YAML: {what}") from error
    return validated(content, model, str(path), lines)


def validated(
    content: object, model: type[Model], where: str, lines: dict[_Key, int] | None = None
) -> Model:
    """Check `content` against `model`; UserError with the first unknown key, else with the first
    complaint, at its line if known."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        complaints = error.errors(include_url=False)
        # A misspelt key is also a missing one: what was meant is told by the word that is there.
        first = min(complaints, key=lambda one: one["type"] != "extra_forbidden")
        raise UserError(f"{where}{_complaint(first, model, lines or {})}") from error


def _lines(path: Path, node: yaml.Node, at: _Key) -> Iterator[tuple[_Key, int]]:
    yield at, node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for number, child in enumerate(node.value):
            yield from _lines(path, child, (*at, number))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, child in node.value:
            line = key.start_mark.line + 1
            name = str(key.value)
            if name in seen and key.tag != _MERGE_TAG:
                raise UserError(f"{path}, line {line}: key {name!r} stands twice; keep one")
            seen.add(name)
            yield from _lines(path, child, (*at, name))
            yield (*at, name), line


def _complaint(error: ErrorDetails, model: type[BaseModel], lines: dict[_Key, int]) -> str:
    location = error["loc"]
    line = next(
        (lines[location[:n]] for n in range(len(location), -1, -1) if location[:n] in lines), None
    )
    place = f", line {line}" if line is not None else ""
    key = ".".join(str(part) for part in location)
    if error["type"] == "extra_forbidden":
        known = _fields_at(model, location[:-1])
        return f"{place}: unknown key {key!r}.{did_you_mean(str(location[-1]), known)}"
    if error["type"] == "missing":
        return f"{place}: key {key!r} is missing"
    named = f"key {key!r}" if key else "the file"
    message = error["msg"].removeprefix("Value error, ")
    return f"{place}: {named} holds {shown(error['input'])}: {message}"


def _fields_at(model: type[BaseModel], location: _Key) -> list[str]:
    inside: type[BaseModel] = model
    for part in location:
        field = inside.model_fields.get(str(part))
        inside = next(_models(field.annotation), inside) if field is not None else inside
    return list(inside.model_fields)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models inside an annotation, however it wraps them (`X | None`, `Annotated`, tuples)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
