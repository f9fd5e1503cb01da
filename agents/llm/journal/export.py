"""A journal as JSON lines: one completion a line, in order of their keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from focusgroup.agents.llm.protocol import Completion
from focusgroup.simulator.errors import UserError

from .file import connect, troubles_of
from .rows import COMPLETIONS, completion_of
from .salvage import Damage, whole_rows


def export_lines(path: Path, write: Callable[[str], object]) -> int:
    """Give every completion to `write` as a line of ASCII JSON; returns how many there were.

    The lines are to be kept only when this returns: damage is found on the way.

    Raises:
        UserError: no journal, or a damaged one.
    """
    damage, lines = Damage(), 0
    with closing(connect(path, create=False)) as db, troubles_of(path):
        db.execute("BEGIN")
        for row in whole_rows(db, COMPLETIONS, damage):
            write(_line(str(row[0]), completion_of(row)))
            lines += 1
    if damage:
        raise UserError(
            f"journal {path}: {damage}; nothing is exported. Drop it with"
            f" `focusgroup journal compact {path}`, then export"
        )
    return lines


def _line(key: str, completion: Completion) -> str:
    usage = completion.usage
    told = {
        "key": key,
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "usage": {
            "prompt": usage.prompt,
            "completion": usage.completion,
            "cached": usage.cached,
        },
        "logprobs": completion.logprobs,
    }
    return json.dumps(told, ensure_ascii=True, allow_nan=False) + "\n"
