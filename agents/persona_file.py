"""Personas written by hand in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from focusgroup.simulator.errors import UserError, did_you_mean

from .persona import Level, Persona

_MOST = 30  # of a kind; the whole persona stands in every prompt
_Some = Annotated[list[str], Field(max_length=_MOST)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, str_strip_whitespace=True)

    id: str = Field(min_length=1)
    liked: _Some = []
    disliked: _Some = []
    tastes: _Some = []
    distastes: _Some = []
    activity: Level | None = None
    conformity: Level | None = None
    diversity: Level | None = None
    price_level: Level | None = None
    demographics: dict[str, str] = Field(default={}, max_length=_MOST)
    notes: str = ""


def load_personas(path: Path) -> dict[str, Persona]:
    """Personas of a YAML list, in its order; lists in it hold 30 entries at most.

    Each entry has an `id` and any of: liked, disliked, tastes, distastes (lists of text), activity,
    conformity, diversity, price_level (low, medium, high), demographics (a mapping), notes.

    Raises:
        UserError: the file is missing, is not YAML, or an entry is wrong; names entry and key.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(f"{path}: cannot read the personas (not a plain file)")
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot read the personas ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text; save the file as UTF-8") from error
    except yaml.YAMLError as error:
        # What the parser quotes is left out: the path may lead to something that is no persona.
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        what = getattr(error, "problem", None) or "not readable"
        raise UserError(f"{path}: not valid YAML{where}: {what}") from error
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path}: expected a list of personas, each with an id (`- id: anna`)")
    personas: dict[str, Persona] = {}
    for number, entry in enumerate(entries, start=1):
        try:
            read = _Entry.model_validate(entry)
        except ValidationError as error:
            raise UserError(f"{path}: persona {number}: {_explained(error)}") from error
        if read.id in personas:
            raise UserError(f"{path}: persona {number}: id {read.id!r} is used twice")
        personas[read.id] = Persona(
            persona_id=read.id,
            liked=tuple(read.liked),
            disliked=tuple(read.disliked),
            tastes=tuple(read.tastes),
            distastes=tuple(read.distastes),
            activity=read.activity,
            conformity=read.conformity,
            diversity=read.diversity,
            price_level=read.price_level,
            demographics=tuple(read.demographics.items()),
            notes=read.notes,
        )
    return personas


def _explained(error: ValidationError) -> str:
    """What is wrong with an entry, in one line."""
    complaints = error.errors(include_url=False)
    # A misspelt key is also a missing one: what was meant is told by the word that is there.
    first = min(complaints, key=lambda one: one["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    match first["type"]:
        case "extra_forbidden":
            return f"unknown key {where!r}.{did_you_mean(where, _Entry.model_fields)}"
        case "missing":
            return f"the key {where!r} is missing"
        case "model_type":
            return f"expected keys and values (`id: anna`), got {_short(first['input'])}"
        case _:
            return f"{where}: {first['msg']}, got {_short(first['input'])}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}\u2026"
