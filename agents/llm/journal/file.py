"""A journal as an SQLite file: opened, recognised as ours, and its troubles put into words."""

from __future__ import annotations

import contextlib
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from focusgroup.simulator.errors import FocusgroupError, RunStopped, UserError

from .rows import TABLES

# "fgjl": marks the file as ours in the SQLite header.
_APPLICATION_ID = 0x66676A6C
_VERSION = 1
BUSY_SECONDS = 60.0
_PAGE = 4096
# How pages begin that hold an index, and so a table of ours: a leaf, or a branch.
_TREES = (b"\x0a\0\0", b"\x02\0\0")


class Unreadable(UserError):
    """A journal whose first page is damaged: all other pages hang on it."""


def connect(path: Path, *, create: bool = True, wait: float = BUSY_SECONDS) -> sqlite3.Connection:
    """An open journal file; the caller closes it.

    Args:
        wait: seconds to wait for another process that has the file to itself.

    Raises:
        UserError: the file is missing, cannot be written, is no journal or is Unreadable.
    """
    while True:
        if not create and not path.is_file():
            raise UserError(f"journal {path}: no such file; record a run first, or give its path")
        before = _identity(path)
        try:
            db = _opened(path, wait)
        except UserError:
            if before is None:
                _discard_blank(path)
            raise
        # Another process may have discarded the file between the opening and the first lock.
        if _identity(path) is not None and before in (None, _identity(path)):
            return db
        db.close()


def _opened(path: Path, wait: float) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"journal {path}: cannot be opened ({error})") from error
    db.text_factory = damaged_text
    try:
        with troubles_of(path), _first_page_of(path):
            _prepare(db, path)
    except RunStopped as error:
        db.close()
        raise UserError(str(error)) from error
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    # The write lock comes first: two processes that create one file would otherwise race, and
    # SQLite does not wait when it changes the journal mode.
    db.execute("PRAGMA synchronous=NORMAL")
    with transaction(db):
        (found,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if found != _APPLICATION_ID and tables:
            raise UserError(
                f"journal {path}: this SQLite file is no focusgroup journal; give another path"
            )
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise UserError(
                f"journal {path}: written by a newer focusgroup (format {version}, "
                f"this one reads {_VERSION}); upgrade focusgroup"
            )
        if found != _APPLICATION_ID:
            furnish(db)
        for table in TABLES:
            db.execute(f"EXPLAIN {table.select}")  # fails where a column is not as we named it
    (mode,) = db.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        db.execute("PRAGMA journal_mode=WAL")


@contextmanager
def _first_page_of(path: Path) -> Iterator[None]:
    """Tells damage of the page that is read at the opening."""
    try:
        yield
    except UnicodeDecodeError as error:  # of the words SQLite quotes in an error of its own
        raise _unreadable(path, "the names of its tables are no text") from error
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        lost = code == sqlite3.SQLITE_NOTADB and _holds_trees(path)
        if not (is_damage(error) or code == sqlite3.SQLITE_ERROR or lost):
            raise
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, said: str) -> Unreadable:
    journal, away = (shlex.quote(f"{path}{more}") for more in ("", ".damaged"))
    return Unreadable(
        f"journal {path}: damaged in its first page, so that nothing can be read ({said}); bring a"
        f" copy back, or start afresh with `mv {journal} {away} && touch {journal}`: what was in it"
        " is asked again when it is needed"
    )


def _holds_trees(path: Path) -> bool:
    """Whether a file that does not begin as SQLite's goes on as a journal does."""
    with path.open("rb") as file:
        file.seek(_PAGE)
        return any(page.startswith(_TREES) for page in iter(lambda: file.read(_PAGE), b""))


def furnish(db: sqlite3.Connection) -> None:
    """Makes an empty database a journal."""
    for table in TABLES:
        db.execute(table.create)
    db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
    db.execute(f"PRAGMA user_version={_VERSION}")


def hold_alone(db: sqlite3.Connection, path: Path) -> None:
    """Have the file until the connection is closed. Raises UserError if others have it open."""
    try:
        # Leaving WAL is refused while anybody else is connected, even if they only wait.
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        raise UserError(
            f"journal {path}: another process has it open; wait for that one to end"
        ) from error


def discard_unpaid(path: Path) -> None:
    """Delete a journal that holds no completion, unless another process has it open."""
    with (
        contextlib.suppress(UserError, sqlite3.Error),
        contextlib.closing(connect(path, create=False, wait=0)) as db,
    ):
        (paid,) = db.execute("SELECT count(*) FROM completions").fetchone()
        if not paid:
            hold_alone(db, path)
            path.unlink()


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All that is written inside, or nothing; other processes wait."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # A failed COMMIT (disk full) may have rolled back on its own.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def troubles_of(path: Path) -> Iterator[None]:
    """Turns what SQLite says about a file into an error a person can act on."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except UnicodeDecodeError as error:  # of the words SQLite quotes in an error of its own
        raise UserError(
            f"journal {path}: damaged (SQLite cannot read what is in it); bring a copy back, or"
            " move the file away to start a new one"
        ) from error
    except sqlite3.Error as error:
        raise trouble(path, error) from error


def trouble(path: Path, error: sqlite3.Error) -> FocusgroupError:
    """RunStopped where nothing is wrong with the journal but there is no room to write; else
    UserError."""
    # Errors that Python's own layer raises have no code.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if is_damage(error):
        return UserError(
            f"journal {path}: damaged ({error}); `focusgroup journal compact {path}` saves what can"
            " be read, and what cannot is asked again"
        )
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return RunStopped(
            f"journal {path}: cannot be written ({error}); nothing that is in it is lost. Make"
            " room on the disk, or in your quota"
        )
    if code == sqlite3.SQLITE_BUSY:
        return UserError(
            f"journal {path}: another process has it to itself; wait for that one to end"
        )
    return UserError(
        f"journal {path}: {error}; check the disk and the permissions, or move the file away to"
        " start a new one"
    )


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite met a page that is not as it was written."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT


def _discard_blank(path: Path) -> None:
    """What opening a new file left where there was no room for more."""
    with contextlib.suppress(OSError):
        if not path.stat().st_size:
            path.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def damaged_text(stored: bytes) -> str:
    """Text as it lies in the file: damage must reach the checksum, not fail as bad UTF-8 before."""
    return stored.decode("utf-8", "surrogateescape")
