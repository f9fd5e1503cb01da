"""Where an export may write, and how: whole files only, inside the folder only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from focusgroup.simulator.errors import UserError

_LONGEST = 100  # bytes; file systems take 255, and endings follow
_SIMPLE = re.compile(r"[^\W.][\w.-]*")


def checked_name(name: str) -> str:
    """The name of an export, which becomes part of file names.

    Raises:
        UserError: it could leave the folder or hide a file.
    """
    if not _SIMPLE.fullmatch(name):
        raise UserError(
            f"export name {name!r}: expected letters, digits, '_', '-' and '.', beginning with a "
            "letter or digit."
        )
    return name


def file_name(name: str) -> str:
    """The name of a run or a dataset as one of files: what does not belong there becomes ``_``."""
    simple = re.sub(r"[^\w.-]+", "_", name).strip("_.-")
    return simple.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore") or "run"


def write_files(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write each file completely or not at all: temporary file, fsync, rename. Nothing else in the
    folder is touched.

    Args:
        files: content by plain file name.

    Raises:
        UserError: the folder cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            target = folder / checked_name(name)
            partial = folder / f".{name}.{os.getpid()}.partial"
            with partial.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(target)
            written.append(target)
    except OSError as error:
        raise UserError(f"cannot write the export to {str(folder)!r}: {error}.") from error
    return written
