"""Pages as files: written whole or not at all; and the parts they are made of."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.whole_file import whole_file


def write_whole(text: str, path: Path, what: str) -> None:
    """Write `text` to `path` so that no half of it is ever seen there.

    Args:
        what: names the file in the error: ``report``.

    Raises:
        UserError: the file cannot be written there.
    """
    try:
        with whole_file(path) as file:
            file.write(text.encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot write the {what} to {str(path)!r}: {reason}; "
            "choose a file in an existing folder you may write to, with room for it"
        ) from error


@lru_cache
def part(name: str) -> str:
    """A skeleton or style sheet of this package, with plain line ends."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n")
