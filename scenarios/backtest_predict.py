"""What simulated users say about a test, before anyone looks at what came out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator import Catalog, Session, SessionEnd
from focusgroup.simulator.metrics import flatten, metric_named
from focusgroup.simulator.metrics.bootstrap import Spread
from focusgroup.simulator.metrics.cells import Cells, Context, place
from focusgroup.simulator.metrics.measured import Figure, measure
from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.noise import derive_seed

from .backtest import Question


@dataclass(frozen=True, slots=True)
class Prediction:
    """B - A (or B / A - 1) among simulated users.

    Attributes:
        difference: with its 95 % interval over users; n: users who count in either arm.
        both: users who count in both arms, and so are paired.
        excluded: users left out because their visit failed in one of the arms.
    """

    question: Question
    arm_a: str
    arm_b: str
    difference: Estimate
    both: int
    excluded: int


@dataclass(frozen=True, slots=True)
class Met:
    """What users did in the runs.

    Attributes:
        sessions: by arm. held_out, popularity: as metrics want them.
    """

    sessions: Mapping[str, Sequence[Session]]
    catalog: Catalog
    held_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    popularity: Mapping[str, int] = field(default_factory=dict)


def predict(
    questions: Sequence[Question], arms: Mapping[str, tuple[str, str]], met: Met, *, seed: int
) -> tuple[Prediction, ...]:
    """One prediction a question.

    Users are resampled, the same ones for both arms: whoever met both is paired, whoever met one
    counts in that one. Where both arms stored probabilities the metric is taken from them.

    Args:
        arms: test -> the names of A and B among `met.sessions`.
    """
    return tuple(_predict(q, *arms[q.name], met, derive_seed(seed, q.name)) for q in questions)


def _predict(question: Question, arm_a: str, arm_b: str, met: Met, seed: int) -> Prediction:
    names = tuple(dict.fromkeys((arm_a, arm_b)))
    sessions = [session for name in names for session in met.sessions[name]]
    context = Context(met.catalog, met.held_out, met.popularity)
    (cells,) = place(flatten(sessions), names, context)
    users, both, excluded = _users(cells)
    metric = metric_named(question.metric)
    measured = measure(cells, [metric])
    columns = (names.index(arm_a), names.index(arm_b))
    expected = all(measured.has_expected(metric, column) for column in columns)
    a, b = measured.spreads(
        [Figure(metric, column, expected=expected) for column in columns], users, seed
    )
    spread = _relative(a, b) if question.relative else b.minus(a, len(users))
    if arm_a == arm_b:
        spread = replace(spread, n=len(users))
    return Prediction(question, arm_a, arm_b, spread.estimate(), both, excluded)


def _users(cells: Cells) -> tuple[NDArray[np.int64], int, int]:
    """Rows of users who failed in no arm, how many of them met both, how many failed in one."""
    ends = cells.sessions["end"].to_numpy()
    at = cells.sessions["cell"].to_numpy(dtype=np.int64)
    counts = cells.sum(at).sum(axis=1)
    failed = cells.sum(at, ends == SessionEnd.FAILED.value).sum(axis=1).any(axis=0)
    present = (counts > 0) & ~failed
    kept = np.flatnonzero(present.any(axis=0))
    return kept, int(present.all(axis=0).sum()), int(failed.sum())


def _relative(a: Spread, b: Spread) -> Spread:
    with np.errstate(divide="ignore", invalid="ignore"):
        replicates = b.replicates / a.replicates - 1
        left_out = (
            b.jackknife / a.jackknife - 1
            if a.jackknife is not None and b.jackknife is not None
            else None
        )
    point = b.point / a.point - 1 if a.point else math.nan
    replicates = replicates[np.isfinite(replicates)]
    return Spread(point, replicates, left_out, max(a.n, b.n))
