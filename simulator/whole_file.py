"""Files that are there whole or not at all: written beside their place, synced, renamed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

TORN = ".tmp"
"""What the name of an unfinished file ends with; one is left only where a process was killed."""


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which stands at `path` once the block has ended without an error.

    Raises:
        OSError: no room, or no right to write there; what stood at `path` still does.
    """
    torn = path.with_name(path.name + TORN)
    try:
        with torn.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        torn.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            torn.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
