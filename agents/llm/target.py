"""What follows `vllm:` and `transformers:`: `MODEL?option=value&option=value`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from focusgroup.simulator.errors import UserError, did_you_mean

Option = str | int | float | bool | None | list[object] | dict[str, object]


@dataclass(frozen=True, slots=True)
class Target:
    """A model and how it is to be run.

    Attributes:
        backend: as written after `--llm`, for messages.
        model: OWNER/REPO of the Hugging Face hub, or a folder.
    """

    backend: str
    model: str
    options: Mapping[str, Option] = field(default_factory=dict)

    def check(self, known: Collection[str]) -> None:
        """Raises UserError (with the nearest name) at an option that is not known."""
        for name in self.options:
            if name not in known:
                raise UserError(
                    f"--llm {self.backend}:{self.model}: no option {name!r}."
                    f"{did_you_mean(name, known)}"
                )


def parse_target(backend: str, text: str) -> Target:
    """The target in `MODEL?option=value&option=value`.

    A value is read as JSON where it is JSON (numbers, true, false, null, lists), else as text;
    percent escapes stand for what the grammar itself uses. Dashes in names are underscores.

    Raises:
        UserError: no model, an option without a value, or an option given twice.
    """
    model, _, rest = text.partition("?")
    if not model:
        raise UserError(
            f"--llm {backend}:{text}: no model is named; write {backend}:OWNER/REPO or "
            f"{backend}:FOLDER, for example {backend}:Qwen/Qwen3-8B?max_model_len=4096"
        )
    options: dict[str, Option] = {}
    for part in rest.split("&") if rest else ():
        name, equals, value = part.partition("=")
        name = name.strip().replace("-", "_")
        if not (name and equals and value):
            raise UserError(
                f"--llm {backend}:{text}: {part!r} is no option; write {backend}:{model}"
                "?option=value&option=value"
            )
        if name in options:
            raise UserError(f"--llm {backend}:{text}: option {name!r} is given twice")
        options[name] = _value(unquote(value))
    return Target(backend, model, options)


def _value(text: str) -> Option:
    try:
        value: Option = json.loads(text)
    except ValueError:
        # As Python and many manuals write them.
        return {"True": True, "False": False, "None": None}.get(text, text)
    return value
