"""Flags that several commands share, and what they come to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from focusgroup.agents.llm import GRAMMAR, SESSIONS_A_CALL, Budget, JournalMode, LLMOptions
from focusgroup.scenarios.cluster.crew import Cluster
from focusgroup.scenarios.cluster.place import Place
from focusgroup.scenarios.cluster.ray_cluster import ray_cluster
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.scenario import PriceSpec
from focusgroup.simulator import UserError

from .progress import session_bar

RUNS = Path("runs")

Out = Annotated[Path | None, typer.Option(help="Run directory (default: runs/NAME).")]
Seed = Annotated[int | None, typer.Option(help="Seed of the whole run.")]
Users = Annotated[int | None, typer.Option(min=1, help="Users of every audience.")]
Llm = Annotated[
    str | None,
    typer.Option(help=GRAMMAR, metavar="MODEL"),
]
Style = Annotated[str | None, typer.Option(help="answer | score", metavar="STYLE")]
Concurrency = Annotated[int, typer.Option(min=1, help="Most calls at once.")]
JournalPath = Annotated[
    Path | None, typer.Option("--journal", help="A shared journal (default: in the run).")
]
KeyVariable = Annotated[
    str, typer.Option("--key-env", help="Environment variable with the server's key.")
]
Patience = Annotated[
    float,
    typer.Option(min=0, help="Seconds a silent server is waited for before the run stops."),
]
MaxTokens = Annotated[
    int | None, typer.Option(min=1, help="Stop before the run has taken more tokens than this.")
]
MaxCost = Annotated[
    float | None, typer.Option(min=0, help="Stop before the run has cost more than this.")
]
MaxTime = Annotated[
    float | None, typer.Option(min=0, help="Stop after this many seconds of this command.")
]
PromptPrice = Annotated[
    float | None,
    typer.Option("--price-prompt", min=0, help="Of a million prompt tokens (else: scenario)."),
]
CompletionPrice = Annotated[
    float | None,
    typer.Option("--price-completion", min=0, help="Of a million answer tokens."),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Share the users out over a Ray cluster: auto (default) | local | host:port.",
    ),
]
Actors = Annotated[
    int | None, typer.Option(min=1, help="Ray actors (default: one a processor of the cluster).")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]

PATIENCE = LLMOptions().patience


def prices(of: PriceSpec, prompt: float | None, completion: float | None) -> PriceSpec:
    """The prices of a scenario, but for those named by a flag."""
    return PriceSpec(
        prompt=of.prompt if prompt is None else prompt,
        completion=of.completion if completion is None else completion,
    )


@contextmanager
def cluster(ray: str | None, actors: int | None, folder: Path) -> Iterator[Cluster | None]:
    """The cluster the flags name, while the block lasts. Raises UserError if there is none."""
    if ray is None:
        if actors is not None:
            raise UserError("--actors says how many Ray actors to use; add --ray, or leave it out")
        yield None
        return
    with ray_cluster(Place(ray, actors), folder) as connected:
        yield connected


def budget(
    prices: PriceSpec, max_tokens: int | None, max_cost: float | None, max_time: float | None
) -> Budget:
    """What a run may spend. Raises UserError for a limit of cost where nothing has a price."""
    if max_cost is not None and not (prices.prompt or prices.completion):
        raise UserError(
            "--max-cost: nothing has a price; name it with --price-prompt and --price-completion,"
            " or with `prices:` in the scenario (per million tokens)"
        )
    return Budget(max_tokens, max_cost, max_time, prices.prompt, prices.completion)


def options(
    *,
    journal: Path | None = None,
    mode: JournalMode = JournalMode.RECORD,
    concurrency: int = 256,
    key_env: str = "OPENAI_API_KEY",
    patience: float = PATIENCE,
    budget: Budget | None = None,
    folder: Path | None = None,
    retry_failed: bool = False,
    quiet: bool = False,
) -> Options:
    """How to run, as the flags of a command say. Raises UserError where they contradict."""
    if journal is not None and mode is JournalMode.OFF:
        raise UserError(
            "--journal-mode off: nothing would be read from --journal or written to it; leave one"
            " of them out"
        )
    return Options(
        journal=journal,
        mode=mode,
        concurrency=SESSIONS_A_CALL * concurrency,
        llm=LLMOptions(key_variable=key_env, patience=patience, concurrency=concurrency),
        budget=budget or Budget(),
        seconds=time.monotonic,
        folder=folder or Path(),
        retry_failed=retry_failed,
        progress=None if quiet else session_bar,
    )
