"""models list | get | path."""

from __future__ import annotations

from typing import Annotated

import typer

from focusgroup.agents.llm import find_model, get_model, list_models

app = typer.Typer(help="Model files for the embedded backend.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="smollm2, hf:OWNER/REPO/FILE, or a path to a GGUF file.")]


@app.command("list")
def list_() -> None:
    """Models known by name and those already fetched."""
    for entry in list_models():
        state = "not fetched" if entry.size is None else f"{entry.size / 1e6:.0f} MB"
        typer.echo(f"{entry.name:12} {state:12} {entry.about}\n{'':12} {entry.path}")


@app.command()
def get(name: Name) -> None:
    """Fetch a model into the cache, verify it, and print its path. No network if it is there.

    Example: focusgroup models get smollm2
    """
    typer.echo(str(get_model(name, progress=True)))


@app.command()
def path(name: Name = "smollm2") -> None:
    """Where a model lies.

    Example: focusgroup models path smollm2
    """
    typer.echo(str(find_model(name)))
