"""Personas written by hand in YAML."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from focusgroup.simulator.errors import UserError

from .persona import Level, Persona


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    id: str = Field(min_length=1)
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    tastes: tuple[str, ...] = ()
    distastes: tuple[str, ...] = ()
    activity: Level | None = None
    conformity: Level | None = None
    diversity: Level | None = None
    price_level: Level | None = None
    demographics: dict[str, str] = {}
    notes: str = ""


def load_personas(path: Path) -> dict[str, Persona]:
    """Personas of a YAML list, in its order.

    Each entry has an `id` and any of: liked, disliked, tastes, distastes (lists of text), activity,
    conformity, diversity, price_level (low, medium, high), demographics (a mapping), notes.

    Raises:
        UserError: the file is missing, is not YAML, or an entry is wrong; names entry and key.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot read the personas ({error.strerror}).") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path}: expected a list of personas, each with an id; see the docs.")
    personas: dict[str, Persona] = {}
    for number, entry in enumerate(entries, start=1):
        try:
            read = _Entry.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "entry"
            raise UserError(
                f"{path}: persona {number}: {where}: {first['msg']} (got {first['input']!r})"
            ) from error
        if read.id in personas:
            raise UserError(f"{path}: persona {number}: id {read.id!r} is used twice")
        fields = read.model_dump(exclude={"id", "demographics"})
        personas[read.id] = Persona(
            persona_id=read.id, demographics=tuple(read.demographics.items()), **fields
        )
    return personas
