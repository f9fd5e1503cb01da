"""--dry-run: how many calls and tokens a scenario would take, how long, and at what cost."""

from __future__ import annotations

import asyncio
import math

from focusgroup.agents.llm import Budget, JournalMode, Usage
from focusgroup.scenarios.estimate import (
    PROBE,
    AudienceEstimate,
    Estimate,
    Tokens,
    estimate,
)
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.scenario import PriceSpec, Scenario
from focusgroup.scenarios.token_scale import CHARACTERS_PER_TOKEN


def estimate_text(scenario: Scenario, options: Options, *, probe: int = PROBE) -> str:
    """Visits, and for each audience with a language model what is expected and what is the most."""
    probe = 0 if options.mode is JournalMode.REPLAY else probe
    found = asyncio.run(estimate(scenario, options, probe=probe))
    lines = [f"{found.title}: {found.visits} visits, nothing was run."]
    lines += [f"{name}: no language model, no cost" for name in found.silent]
    for audience in found.audiences:
        lines += _speaking(audience, scenario.prices, kept=options.journal is not None)
    return "\n".join([*lines, *_limits(found, options.budget)])


def _limits(found: Estimate, budget: Budget) -> list[str]:
    """How far the limits let the run get."""
    tokens = sum(of.tokens.both for of in found.audiences)
    usage = (
        sum(of.tokens.prompt for of in found.audiences),
        sum(of.tokens.answer for of in found.audiences),
    )
    cost = budget.cost(Usage(round(usage[0]), round(usage[1])))
    return [
        f"{name} {limit:g}: the run is expected to stop after about {limit / needed:.0%} of it,"
        " and can be resumed"
        for name, limit, needed in (
            ("--max-tokens", budget.max_tokens, tokens),
            ("--max-cost", budget.max_cost, cost),
        )
        if limit is not None and needed > limit
    ]


def _speaking(of: AudienceEstimate, prices: PriceSpec, *, kept: bool) -> list[str]:
    tokens = f"{_count(of.tokens.prompt)} prompt + {_count(of.tokens.answer)} answer tokens"
    words = f", {_count(of.words)} of them for reviews and interviews" if of.words else ""
    lines = [
        f"{of.name}: about {_count(of.pages)} pages and {_count(of.calls)} calls{words}",
        f"  expected  {tokens}{_cost(of.tokens, prices)}; {_duration(of)}",
        f"  at most   {of.most_calls} calls, {_count(of.most.both)} tokens{_cost(of.most, prices)}:"
        " nobody leaves, and every reply has to be asked for twice",
    ]
    if of.asked:
        counted = "its own tokenizer" if of.exact else "the server's count"
        kept_where = "kept in the journal" if kept else "not kept (--journal would keep them)"
        lines.append(
            f"  as the model answered {of.asked} calls just now, {kept_where}; tokens by {counted}"
        )
    if of.silence:
        counted = (
            "tokens by its own tokenizer"
            if of.exact
            else f"{CHARACTERS_PER_TOKEN:g} characters a token"
        )
        lines.append(f"  users leave as the scenario assumes, {counted}: {of.silence}")
    return lines


def _duration(of: AudienceEstimate) -> str:
    if of.seconds is None:
        return "time unknown"
    seconds = of.seconds * of.calls / of.parallel
    time = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{math.ceil(seconds)} s"
    return f"about {time} if {of.parallel} calls at once take {of.seconds:.2f} s each"


def _cost(tokens: Tokens, prices: PriceSpec) -> str:
    if not (prices.prompt or prices.completion):
        return ""
    cost = (tokens.prompt * prices.prompt + tokens.answer * prices.completion) / 1e6
    return f", cost {cost:.2f}"


def _count(number: float) -> str:
    """Three digits are more than an estimate knows."""
    if number < 1000:
        return f"{number:.0f}"
    unit = 10 ** (int(math.log10(number)) - 2)
    return f"{round(number / unit) * unit:,}"
