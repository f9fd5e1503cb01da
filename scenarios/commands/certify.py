"""certify: can I believe these users?"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Never, TypeVar

import typer
from tqdm import tqdm

from focusgroup.agents.llm import (
    GRAMMAR,
    Journal,
    JournalMode,
    LLMOptions,
    parse_llm,
)
from focusgroup.agents.styles import Style
from focusgroup.scenarios.certificates import FOLDER
from focusgroup.scenarios.certify.certify import Decision, Wanted
from focusgroup.scenarios.certify.office import Speaking, file_certificate, issue
from focusgroup.scenarios.datasets import load_dataset
from focusgroup.scenarios.scenario import PriceSpec
from focusgroup.simulator import RunStopped, UserError
from focusgroup.simulator.fidelity.certificate import check_required, missed
from focusgroup.simulator.fidelity.certificate_file import to_json
from focusgroup.simulator.fidelity.table import certificate_table

from . import flags
from .flags import (
    PATIENCE,
    CompletionPrice,
    JournalPath,
    KeyVariable,
    MaxCost,
    Patience,
    PromptPrice,
)

JOURNAL = "journal.sqlite"
Made = TypeVar("Made")
_SECRETS = re.compile(r"(?<=://)[^/@\s]*(?=@)|(?<=\?)\S+")  # of a URL: who asks, and with what


def certify(
    data: Annotated[str, typer.Option(help="movies | groceries | jester | a mapping file.")],
    data_dir: Annotated[Path | None, typer.Option(help="Folder of jester or redial.")] = None,
    llm: Annotated[
        str | None,
        typer.Option(
            help=f"{GRAMMAR} (default: the behaviour model alone)",
            metavar="MODEL",
        ),
    ] = None,
    style: Annotated[Style, typer.Option(help="How it is asked.")] = "score",
    decision: Annotated[
        Decision, typer.Option(help="own_word: certify the model's bare answers.")
    ] = "pooled",
    language: Annotated[str, typer.Option(help="Of the prompts: en | zh.")] = "en",
    swap_llm: Annotated[
        str | None,
        typer.Option(help="A second model, for the row model_swap_tau.", metavar="MODEL"),
    ] = None,
    users: Annotated[
        int | None,
        typer.Option(
            min=2, help="Users a ranking is stated for, and asked for by a model (default: 100)."
        ),
    ] = None,
    calibration_users: Annotated[
        int, typer.Option(min=10, help="Users a model is asked about to weigh its opinion.")
    ] = 60,
    out: Annotated[Path | None, typer.Option(help="Folder (default: certificates/DATA).")] = None,
    require: Annotated[
        list[str] | None, typer.Option(metavar="ROW", help="Exit 1 unless this row passes.")
    ] = None,
    final: Annotated[
        bool, typer.Option("--final", help="On the users kept back: once, at the very end.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of splits, draws and shuffles.")] = 0,
    journal: JournalPath = None,
    journal_mode: Annotated[
        JournalMode, typer.Option(help="replay: a miss is an error.")
    ] = JournalMode.RECORD,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Most questions to a model in flight at once.")
    ] = None,
    key_env: KeyVariable = "OPENAI_API_KEY",
    patience: Patience = PATIENCE,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Stop before this many.")] = None,
    max_cost: MaxCost = None,
    max_time: Annotated[
        float | None, typer.Option(min=0, help="Ask no model after this many seconds.")
    ] = None,
    price_prompt: PromptPrice = None,
    price_completion: CompletionPrice = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print certificate.json.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
) -> None:
    """Measure how far simulated users can be believed, beside what they have to beat.

    Writes certificate.json and certificate.html. Exit 0 means that the certificate is complete,
    not that it is good: name the rows that must pass with --require.

    Example: focusgroup certify --data movies --users 100 --out certificates/movies
    """
    check_required(require or ())
    model = None if llm in (None, "none") else llm
    if model is None and swap_llm is not None:
        raise UserError("--swap-llm is for a second language model; name the first with --llm")
    for spec in (model, swap_llm):
        if spec is not None:
            parse_llm(spec)
    prices = flags.prices(PriceSpec(), price_prompt, price_completion)
    budget = flags.budget(prices, max_tokens, max_cost, max_time)
    folder = out or Path(FOLDER) / _name(data, model, final=final)
    _check_writable(folder)
    wanted = Wanted(
        users=users,
        seed=seed,
        style=style,
        language=language,
        decision=decision,
        command=_command(sys.argv[1:]),
    )
    dataset = load_dataset(data, data_dir)
    kept = journal or folder / JOURNAL
    with (
        _journal(None if model is None else kept, journal_mode) as opened,
        _progress(quiet=quiet) as (step, told),
    ):
        speaking = None
        if model is not None:
            speaking = Speaking(
                llm=model,
                swap=swap_llm or "",
                calibration_users=calibration_users,
                mode=journal_mode,
                options=LLMOptions(key_variable=key_env, patience=patience),
                budget=budget,
                clock=time.monotonic,
                concurrency=concurrency,
                told=told,
            )
        try:
            work = issue(dataset, wanted, final=final, speaking=speaking, journal=opened, step=step)
            made = asyncio.run(work) if model is not None else _at_once(work)
        except RunStopped as error:
            raise RunStopped(f"{error}\nthe same command goes on; answers are in {kept}") from error
        except KeyboardInterrupt:
            if model is not None:
                typer.echo(f"\nthe same command goes on; answers are in {kept}", err=True)
            raise
    plain, page = file_certificate(made, folder)
    typer.echo(to_json(made) if as_json else certificate_table(made))
    typer.echo(f"Written: {plain} and {page}", err=as_json)
    if short := missed(made, require or ()):
        names = ", ".join(f"{row.name} ({row.verdict})" for row in short)
        typer.echo(f"required, but not passed: {names}", err=True)
        raise typer.Exit(1)


def _at_once(work: Coroutine[object, object, Made]) -> Made:
    """Arithmetic alone: `asyncio.run` would hold Ctrl-C back until something waits."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def _name(data: str, model: str | None, *, final: bool) -> str:
    name = Path(data).stem or "data"
    if model is not None:
        name += "-" + "".join(c if c.isalnum() else "-" for c in model.split("@")[0])[-40:]
    return name + ("-final" if final else "")


def _command(arguments: list[str]) -> str:
    """The command line, to be typed again; what a URL holds besides its place is left out, for
    that is where keys may stand."""
    told = (_SECRETS.sub("***", one) if "://" in one else one for one in arguments)
    return shlex.join(["focusgroup", *told])


def _check_writable(folder: Path) -> None:
    """Raises UserError now, not after an hour of questions."""
    there = next(place for place in (folder, *folder.resolve().parents) if place.exists())
    if not there.is_dir():
        raise UserError(f"--out {folder}: {there} is a file; give a folder")
    if not os.access(there, os.W_OK):
        raise UserError(f"--out {folder}: {there} cannot be written to; give another folder")


@contextmanager
def _journal(path: Path | None, mode: JournalMode) -> Iterator[Journal | None]:
    if path is None:
        yield None
        return
    with Journal(path, create=mode is not JournalMode.REPLAY) as opened:
        yield opened


@contextmanager
def _progress(*, quiet: bool) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """A line a step, and under it a bar with rate and ETA where a model is asked."""
    bars: list[tqdm[Never]] = []

    def close() -> None:
        while bars:
            bars.pop().close()

    def step(text: str) -> None:
        close()
        if not quiet:
            typer.echo(f"- {text}", err=True)

    def told(done: int, of: int) -> None:
        if quiet:
            return
        if not bars or bars[0].total != of or done < bars[0].n:
            close()
            width = max(60, shutil.get_terminal_size().columns)
            bars.append(tqdm(total=of, unit="page", ncols=width, leave=False))
        bars[0].update(done - bars[0].n)

    try:
        yield step, told
    finally:
        close()
