"""duel: which of two pages would the same person rather have?"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from focusgroup.agents import Prompter, load_language
from focusgroup.agents.duel import Duel, DuelReply
from focusgroup.agents.llm import JournalMode, LLMOptions
from focusgroup.scenarios.duel_file import RESULT, FinishedDuels, RoomDuels, duels_json
from focusgroup.scenarios.duel_run import DuelOptions, plan_room, run_duels
from focusgroup.scenarios.duel_setting import DuelRoom, DuelSetting, duel_source, set_duels
from focusgroup.scenarios.duels import Held, Planned
from focusgroup.scenarios.token_scale import CHARACTERS_PER_TOKEN
from focusgroup.simulator import RunStopped
from focusgroup.simulator.fidelity.duel_table import duels_text

from . import flags
from .flags import (
    PATIENCE,
    RUNS,
    CompletionPrice,
    Concurrency,
    JournalPath,
    KeyVariable,
    Llm,
    MaxCost,
    Patience,
    PromptPrice,
)

CHOICE_TOKENS = 30  # of a usual choice with its reason


class Pairs(StrEnum):
    """Which recommenders meet."""

    ALL = "all"
    BASELINE = "baseline"


def duel(
    target: Annotated[
        str, typer.Argument(metavar="RUN|SCENARIO", help="A run directory, a YAML file or a name.")
    ],
    llm: Llm = None,
    users: Annotated[int | None, typer.Option(min=1, help="Users of every audience.")] = None,
    pairs: Annotated[Pairs, typer.Option(help="All pairs, or each with the baseline.")] = Pairs.ALL,
    reply: Annotated[
        DuelReply | None,
        typer.Option(help="How the model says which (default: odds where it gives them)."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder (default: RUN/duel, or runs/NAME-duel).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the scenario.")] = None,
    journal: JournalPath = None,
    journal_mode: Annotated[
        JournalMode, typer.Option(help="replay: a miss is an error.")
    ] = JournalMode.RECORD,
    concurrency: Concurrency = 64,
    key_env: KeyVariable = "OPENAI_API_KEY",
    patience: Patience = PATIENCE,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Stop before this many.")] = None,
    max_cost: MaxCost = None,
    max_time: Annotated[
        float | None, typer.Option(min=0, help="Ask no model after this many seconds.")
    ] = None,
    price_prompt: PromptPrice = None,
    price_completion: CompletionPrice = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print duel.json instead.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Calls and tokens; asks nobody.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Rank recommenders side by side: two first pages in one prompt, blind, in both orders.

    The same command goes on where it was stopped; nothing journaled is paid for twice.

    Example: focusgroup duel movies-quickstart --users 20 --llm openai:Qwen/Qwen3-8B@http://localhost:8000/v1
    """
    source = duel_source(target, runs=RUNS, users=users, llm=llm, seed=seed)
    setting = asyncio.run(set_duels(source))
    if dry_run:
        typer.echo(_estimate(setting, pairs, reply))
        return
    folder = out or source.default_out
    prices = flags.prices(source.scenario.prices, price_prompt, price_completion)
    options = DuelOptions(
        baseline_only=pairs is Pairs.BASELINE,
        reply=reply,
        journal=journal,
        mode=journal_mode,
        concurrency=concurrency,
        llm=LLMOptions(key_variable=key_env, patience=patience, concurrency=concurrency),
        budget=flags.budget(prices, max_tokens, max_cost, max_time),
        seconds=time.monotonic,
        progress=None if quiet else _bar,
    )
    finished = _guarded(folder, lambda: run_duels(setting, folder, options))
    typer.echo(duels_json(finished) if as_json else _text(finished, folder))
    if lost := [room.name for room in finished.rooms if not room.results.users]:
        typer.echo(f"error: every duel failed: {', '.join(lost)}", err=True)
        raise typer.Exit(1)


def _text(finished: FinishedDuels, folder: Path) -> str:
    lines = [f"{finished.setting.source.scenario.title} (side by side)"]
    for room in finished.rooms:
        lines += ["", *_room_text(room)]
    for name, agent in finished.setting.left_out.items():
        lines += ["", f"{name}: left out, users of agent {agent} cannot compare pages."]
    spent = finished.spent
    if spent.calls or spent.hits:
        lines += [
            "",
            f"Language model: {spent.calls} calls now, {spent.hits} answers from the journal.",
        ]
    lines.append(f"Written: {folder / RESULT}")
    return "\n".join(lines)


def _room_text(room: RoomDuels) -> list[str]:
    facts = room.facts
    state = "calibrated" if facts.calibrated else "UNCALIBRATED"
    lines = [f"{room.name}: {facts.model}; {state}" + (f" ({facts.note})" if facts.note else "")]
    if facts.warning:
        lines.append(f"  WARNING: {facts.warning}")
    lines.append(duels_text(room.results))
    if room.model:
        lines.append(
            f"Behind the answers: {room.calls} calls, {room.tokens.prompt} prompt"
            f" ({room.tokens.cached} cached) + {room.tokens.completion} answer tokens."
        )
    failed: dict[str, str] = {}
    for one in room.held:
        if one.outcome.cause is not None:
            failed.setdefault(one.outcome.cause.value, one.why)
    lines += [f"failed: {cause}, e.g. {detail}" for cause, detail in failed.items()]
    return lines


def _estimate(setting: DuelSetting, pairs: Pairs, reply: DuelReply | None) -> str:
    """Duels of every audience, and calls and tokens where a language model answers."""
    lines = [f"{setting.source.scenario.title}: nobody was asked."]
    for room in setting.rooms:
        planned = plan_room(setting, room, baseline_only=pairs is Pairs.BASELINE)
        asked = [duel for duel in planned if duel.asks]
        counted = f"{room.name}: {len(planned)} duels, {len(asked)} to ask"
        if room.spec.agent == "llm":
            lines.append(f"{counted}; {_cost(setting, room, asked, reply)}")
        else:
            lines.append(f"{counted}; no language model, no cost")
    return "\n".join(lines)


def _cost(
    setting: DuelSetting, room: DuelRoom, asked: list[Planned], reply: DuelReply | None
) -> str:
    experiment = setting.experiment
    prompter = Prompter(load_language(room.spec.language), experiment.dataset.domain)
    style = Duel(reply or DuelReply.CHOICE)
    characters = sum(
        len(message.content)
        for duel in asked
        if duel.bout is not None
        for message in style.messages(
            prompter, room.room.personas[duel.user_id], duel.bout, experiment.catalog
        )
    )
    prompt = round(characters / CHARACTERS_PER_TOKEN)
    answer = len(asked) * (1 if reply is DuelReply.ODDS else CHOICE_TOKENS)
    prices = setting.source.scenario.prices
    cost = (prompt * prices.prompt + answer * prices.completion) / 1e6
    priced = f"cost {cost:.2f}" if cost else "cost unknown (set prices in the scenario)"
    return f"{len(asked)} calls, about {prompt} prompt + {answer} answer tokens; {priced}"


def _bar(audience: str, duels: int) -> Callable[[Held], None]:
    """A bar on standard error over the duels to ask."""
    width = max(60, shutil.get_terminal_size().columns)
    bar = tqdm(
        total=duels, unit="duel", smoothing=0.05, ncols=width, desc=audience, file=sys.stderr
    )
    failed = 0

    def ended(one: Held) -> None:
        nonlocal failed
        failed += one.outcome.cause is not None
        bar.set_postfix(failed=failed, refresh=False)
        bar.update()
        if bar.n >= duels:
            bar.close()

    return ended


def _guarded(folder: Path, work: Callable[[], FinishedDuels]) -> FinishedDuels:
    """Say how to go on where it ends early."""
    try:
        return work()
    except RunStopped as error:
        raise RunStopped(
            f"{error}\ngo on with the same command; {folder} keeps what was paid for"
        ) from error
    except KeyboardInterrupt:
        typer.echo(f"\ngo on with the same command; {folder} keeps what was paid for", err=True)
        raise
