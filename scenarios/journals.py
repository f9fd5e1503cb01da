"""Where the journal of a run lies."""

from __future__ import annotations

import json
from pathlib import Path

from focusgroup.simulator import UserError
from focusgroup.simulator.errors import did_you_mean

from .rundir import MANIFEST, SWEEP, RunDirectory

JOURNAL = "journal.sqlite"


def journal_at(path: Path) -> Path:
    """The journal a path means: the file itself, or that of a run, a sweep or another folder.

    Raises:
        UserError: there is none.
    """
    if path.is_file():
        return path
    if not path.exists():
        near = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        close = did_you_mean(path.name, near)
        hint = close if close.startswith(" Did") else " Runs lie in ./runs by default."
        raise UserError(f"{path}: no such run directory or journal.{hint}")
    shared = _shared(path)
    journal = shared or path / JOURNAL
    if not journal.is_file():
        raise UserError(
            f"{path}: its journal {journal} is gone"
            if shared
            else f"{path}: no journal here (no {JOURNAL}); give a run directory or a journal"
        )
    return journal


def _shared(folder: Path) -> Path | None:
    """The journal that a run or a sweep says it shares with others."""
    if (folder / MANIFEST).is_file():
        named = RunDirectory(folder).read().journal
    elif (folder / SWEEP).is_file():
        try:
            named = str(json.loads((folder / SWEEP).read_text(encoding="utf-8"))["journal"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise UserError(f"{folder / SWEEP}: not a sweep: {error}") from error
    else:
        return None
    return Path(named) if named else None
