"""Duels as text for a terminal."""

from __future__ import annotations

import math

from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.metrics.tables import aligned

from .duels import DuelResults


def duels_text(results: DuelResults) -> str:
    """Standings, who beat whom, the effect of the order, and where every duel went."""
    arms = [standing.arm for standing in results.standings]
    ranking = [["", "arm", "strength", "ahead of the next"]]
    for place, standing in enumerate(results.standings, 1):
        lead = "" if standing.lead is None else _with_interval(standing.lead)
        ranking.append([f"{place}.", standing.arm, _with_interval(standing.strength), lead])
    beaten = [["won against", *arms]]
    for arm, row in zip(arms, results.wins, strict=True):
        beaten.append([arm, *("-" if math.isnan(share) else f"{share:.0%}" for share in row)])
    account = results.account
    causes = ", ".join(f"{cause} {n}" for cause, n in account.causes.items())
    lines = [
        f"Bradley-Terry strengths in log-odds, 95 % intervals over {results.users} users",
        aligned(ranking),
        verdict(results),
        "",
        aligned(beaten),
        "",
        f"Being shown first: {_with_interval(results.order_effect)} log-odds, "
        f"{_percent(results.first_share)} of answers; taken off above.",
        f"Duels: {account.duels} = {account.same} with the same items (not asked)"
        f" + {account.answered} answered + {account.failed} failed"
        + (f" ({causes})." if causes else "."),
    ]
    return "\n".join(lines)


def verdict(results: DuelResults) -> str:
    """Who is ahead in a sentence, or that it is too close to say."""
    best = results.standings[0]
    if best.lead is None or math.isnan(best.lead.low):
        return "Too few users or arms to say who is ahead."
    second = results.standings[1].arm
    if best.lead.low > 0:
        return f"{best.arm} is ahead of {second}, the next."
    return f"{best.arm} and {second} are too close to tell apart with {results.users} users."


def _with_interval(estimate: Estimate) -> str:
    if math.isnan(estimate.mean):
        return "-"
    if math.isnan(estimate.low):
        return _signed(estimate.mean)
    return f"{_signed(estimate.mean)} [{_signed(estimate.low)}, {_signed(estimate.high)}]"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"  # + 0.0 turns -0.0 into 0.0


def _percent(estimate: Estimate) -> str:
    if math.isnan(estimate.mean):
        return "-"
    text = f"{estimate.mean:.0%}"
    if math.isnan(estimate.low):
        return text
    return f"{text} [{estimate.low:.0%}, {estimate.high:.0%}]"
