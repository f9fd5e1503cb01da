"""The certificate's row of duels: does a ranking side by side agree with the real one?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.noise import derive_seed

from .duels import DuelOutcome, DuelResults, bradley_terry, judge_duels, wins_by_user
from .row import Row, judged, not_known

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
RESAMPLES = 200
PASS, STRONG, LOW = 0.7, 0.85, 0.4
_PANELS = (5, 10, 20, 50, 100, 200, 500)  # users a reader may want to pay for
_CERTAIN = 1.96  # standard errors: a real difference


def duel_row(
    outcomes: Sequence[DuelOutcome],
    arms: Sequence[str],
    real: Floats,
    *,
    seed: int,
    baselines: Mapping[str, Estimate] | None = None,
) -> Row:
    """Row `duel_tau`: mean over samples of the users, with interval; direction and calls in words.

    Args:
        real: (users, arms) what each arm's page was worth to each real user; NaN where unknown.
        baselines: other rankings' tau, e.g. that of sessions.
    """
    won = wins_by_user(outcomes, arms)
    users = len(won)
    if users < 2 or len(arms) < 2:
        reason = f"{users} users answered, {len(arms)} recommenders; at least 2 of both are needed"
        return not_known("duel_tau", reason, baselines)
    truth = np.nanmean(real, axis=0)
    rng = np.random.default_rng(derive_seed(seed, "duel_tau"))
    strengths = bradley_terry(_samples(won, users, rng))
    taus = tau(strengths, truth)
    low, high = np.quantile(taus, [0.025, 0.975])
    found = Estimate(float(taus.mean()), float(low), float(high), users)
    results = judge_duels(outcomes, arms, seed=seed)
    return judged(
        "duel_tau",
        found,
        passes=found.mean >= PASS and found.low >= LOW,
        strong=found.mean >= STRONG,
        baselines=baselines,
        note=_note(results, won, truth, strengths, different(real), rng),
    )


def tau(strengths: Floats, truth: Floats) -> Floats:
    """Kendall's tau (a: a tie counts as neither) of each row of (..., arms) with (arms,)."""
    upper = np.triu_indices(truth.shape[-1], 1)
    said = np.sign(strengths[..., upper[0]] - strengths[..., upper[1]])
    known = np.sign(truth[upper[0]] - truth[upper[1]])
    return np.asarray((said * known).mean(axis=-1))


def direction(strengths: Floats, truth: Floats, really: Booleans) -> Floats:
    """Share of really different pairs put the right way, a tie as a half; NaN without pairs."""
    rows, columns = np.nonzero(np.triu(really, 1))
    said = np.sign(strengths[..., rows] - strengths[..., columns])
    known = np.sign(truth[rows] - truth[columns])
    if not len(rows):
        return np.full(strengths.shape[:-1], np.nan)
    return np.asarray((1 + said * known).mean(axis=-1) / 2)


def different(real: Floats) -> Booleans:
    """(arms, arms): pairs whose paired real difference has a 95 % interval without 0."""
    gaps = real[:, :, None] - real[:, None, :]
    n = (~np.isnan(gaps)).sum(axis=0)
    error = np.nanstd(gaps, axis=0) / np.sqrt(np.maximum(n - 1, 1))
    return np.asarray(np.abs(np.nanmean(gaps, axis=0)) > _CERTAIN * error)


def calls_needed(won: Floats, truth: Floats, calls: float, rng: np.random.Generator) -> int | None:
    """Calls of the smallest panel from which on mean tau passes, or None if all do not reach it.

    Args:
        won: (users, arms, arms), see `wins_by_user`.
        calls: a user's.
    """
    users, enough = len(won), None
    for panel in (users, *(n for n in reversed(_PANELS) if n < users)):
        drawn = bradley_terry(_samples(won, panel, rng))
        if float(tau(drawn, truth).mean()) < PASS:
            break
        enough = round(panel * calls)
    return enough


def _note(
    results: DuelResults,
    won: Floats,
    truth: Floats,
    strengths: Floats,
    really: Booleans,
    rng: np.random.Generator,
) -> str:
    account = results.account
    needed = calls_needed(won, truth, account.asked / len(won), rng)
    pairs = int(np.triu(really, 1).sum())
    right = float(direction(strengths, truth, really).mean()) if pairs else float("nan")
    parts = [
        f"direction {right:.2f} of {pairs} really different pairs"
        if pairs
        else "no pair is really different",
        f"{account.asked} duels asked, {account.failed} failed, {account.same} of equal pages",
        f"tau {PASS:g} takes {needed} duels" if needed else f"tau {PASS:g} was not reached",
        f"being first adds {results.order_effect.mean:.2f} to the log-odds",
    ]
    return "; ".join(parts)


def _samples(won: Floats, size: int, rng: np.random.Generator) -> Floats:
    """(samples, arms, arms): wins of `size` users, drawn with replacement again and again."""
    drawn = (rng.integers(len(won), size=size) for _ in range(RESAMPLES))
    return np.stack([won[rows].sum(axis=0) for rows in drawn])
