"""The SHA-256 of a large file, remembered until the file changes."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from focusgroup.simulator.errors import UserError

from .cache import cache_dir


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of the file; kept in the cache directory under (path, size, time of change).

    Raises:
        UserError: the file is missing or cannot be read.
    """
    try:
        status = path.stat()
        identity = f"{path.resolve()}\x1f{status.st_size}\x1f{status.st_mtime_ns}"
        note = (
            cache_dir() / "sha256" / hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
        )
        # A cache that cannot be read or written only costs the time to hash again.
        with contextlib.suppress(OSError, UnicodeDecodeError):
            kept = note.read_text("ascii")
            if len(kept) == 64:
                return kept
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        unfinished = note.with_suffix(f".{os.getpid()}")
        unfinished.write_text(digest, "ascii")
        unfinished.replace(note)
    return digest
