"""scenarios list | show | new."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from focusgroup.scenarios.library import find_scenario, library_names, library_text
from focusgroup.simulator import UserError

app = typer.Typer(help="Experiments to run as they are, or to start from.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """The scenarios that come with focusgroup."""
    for name in library_names():
        typer.echo(f"{name:20} {find_scenario(name)[1].title}")


@app.command()
def show(name: Annotated[str, typer.Argument(help="A name of the library.")]) -> None:
    """Print a scenario.

    Example: focusgroup scenarios show movies-quickstart
    """
    typer.echo(library_text(name), nl=False)


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The YAML file to write.")],
    start: Annotated[
        str, typer.Option("--from", help="The scenario to start from.")
    ] = "movies-quickstart",
) -> None:
    """Write a scenario to edit.

    Example: focusgroup scenarios new mine.yaml --from feedback-loop
    """
    text = library_text(start)
    try:
        with file.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except FileExistsError as error:
        raise UserError(f"{file} exists already; choose another name.") from error
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror}).") from error
    typer.echo(f"{file} written. Edit it, then: focusgroup run {file}")
