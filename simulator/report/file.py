"""Pages as files: written whole or not at all; and the parts they are made of."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from focusgroup.simulator.errors import UserError


def write_whole(text: str, path: Path, what: str) -> None:
    """Write `text` to `path` so that no half of it is ever seen there.

    Args:
        what: names the file in the error: ``report``.

    Raises:
        UserError: the file cannot be written there.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot write the {what} to {str(path)!r}: {reason}; "
            "choose a file in an existing folder you may write to"
        ) from error


@lru_cache
def part(name: str) -> str:
    """A skeleton or style sheet of this package, with plain line ends."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n")
