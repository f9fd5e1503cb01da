"""datasets list | describe | check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from focusgroup.scenarios.datasets import check_dataset, describe, list_datasets, load_dataset

app = typer.Typer(help="Interaction logs: built in, and your own.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A name, a mapping file (.yaml) or a folder.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of jester or redial.")]


@app.command("list")
def list_() -> None:
    """Names of the built-in datasets."""
    for name in list_datasets():
        typer.echo(name)


@app.command("describe")
def describe_(name: Name, data_dir: DataDir = None) -> None:
    """What a dataset holds, what counts as engagement, and what it cannot know.

    Example: focusgroup datasets describe movies
    """
    typer.echo(str(describe(load_dataset(name, data_dir))))


@app.command()
def check(path: Name, data_dir: DataDir = None) -> None:
    """Read a dataset and report every problem with file, row and column; runs nothing.

    Example: focusgroup datasets check my-log.yaml
    """
    found = check_dataset(path, data_dir)
    typer.echo(str(found))
    if not found.ok:
        raise typer.Exit(2)
