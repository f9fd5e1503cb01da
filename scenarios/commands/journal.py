"""journal stats | verify | compact | export."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO, Annotated

import typer

from focusgroup.agents.llm.journal.compact import compact as compact_journal
from focusgroup.agents.llm.journal.export import export_lines
from focusgroup.agents.llm.journal.file import Unreadable
from focusgroup.agents.llm.journal.survey import Survey, survey
from focusgroup.scenarios.journals import journal_at
from focusgroup.simulator import UserError

app = typer.Typer(
    help="What language models said, kept: look at it, check it, tidy it, take it elsewhere.",
    no_args_is_help=True,
)

Where = Annotated[
    Path, typer.Argument(metavar="PATH", help="A run directory, or a journal (.sqlite).")
]


@app.command()
def stats(path: Where) -> None:
    """Count completions, tokens, models, bytes and damage.

    Example: focusgroup journal stats runs/demo
    """
    journal = journal_at(path)
    found = survey(journal)
    models = ", ".join(found.models) or "not noted"
    for name, told in (
        ("journal", journal),
        ("completions", found.completions),
        ("tokens", f"{found.usage.prompt} prompt ({found.usage.cached} cached)"),
        ("", f"{found.usage.completion} answer"),
        ("models", models),
        ("other notes", found.slates),
        ("size", f"{found.size / 1e6:.1f} MB"),
        ("damaged", _damage(found) or "nothing"),
    ):
        typer.echo(f"{name:12} {told}")


@app.command()
def verify(path: Where) -> None:
    """Hold every entry against its checksum; exit code 1 if any is damaged.

    Example: focusgroup journal verify shared.sqlite
    """
    journal = journal_at(path)
    try:
        found = survey(journal)
    except Unreadable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    whole = f"{found.completions} completions and {found.slates} other notes are whole"
    if found.sound:
        typer.echo(f"journal {journal}: {whole}, nothing is damaged")
        return
    typer.echo(
        f"journal {journal}: {_damage(found)}; {whole}.\n"
        "A damaged entry is never used. Save what is whole with:"
        f" focusgroup journal compact {journal}\nWhat was lost is asked again when it is needed.",
        err=True,
    )
    raise typer.Exit(1)


@app.command()
def compact(path: Where) -> None:
    """Drop what is damaged and give unused space back. No other process may have it open.

    Example: focusgroup journal compact runs/demo
    """
    journal = journal_at(path)
    done = compact_journal(journal)
    dropped = f"dropped {done.dropped}" if done.dropped else "nothing was damaged"
    typer.echo(
        f"journal {journal}: kept {done.kept} entries, {dropped};"
        f" {done.before / 1e6:.1f} MB -> {done.after / 1e6:.1f} MB"
    )


@app.command()
def export(
    path: Where,
    out: Annotated[
        Path | None, typer.Option(help="File to write, whole or not at all (default: stdout).")
    ] = None,
) -> None:
    """Write every completion as a line of JSON: key, text, finish reason, usage, logprobs.

    The key is a hash of the request; requests themselves are not in a journal.

    Example: focusgroup journal export runs/demo --out completions.jsonl
    """
    journal = journal_at(path)
    if out is None:
        with tempfile.TemporaryFile("w+", encoding="ascii") as whole:
            export_lines(journal, whole.write)
            whole.seek(0)
            shutil.copyfileobj(whole, sys.stdout)
        return
    if out.exists() and (not out.is_file() or _holds_sqlite(out)):
        raise UserError(f"--out {out}: a folder or a database lies there; give another file")
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="ascii") as file:
            lines = export_lines(journal, file.write)
            _sync(file)
        partial.replace(out)
    except OSError as error:
        raise UserError(
            f"cannot write the export to {str(out)!r}: {error.strerror or error}; choose a file in"
            " an existing folder with room for it"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    typer.echo(f"{out}: {lines} completions")


def _sync(file: IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _holds_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(15) == b"SQLite format 3"


def _damage(found: Survey) -> str:
    told = [str(found.damage)] if found.damage else []
    if found.structure:
        told.append(f"SQLite says: {found.structure}")
    return "; ".join(told)
