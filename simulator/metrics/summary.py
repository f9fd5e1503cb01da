"""Everything that tables and reports show, from sessions: the door of this package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from focusgroup.simulator.compare import compare
from focusgroup.simulator.errors import UserError, did_you_mean
from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.types import Catalog, LeaveReason, Session, SessionEnd

from .bootstrap import ratio_spreads
from .cells import Cells, Context, Ints, flags, floats, ints, names, place
from .exposures import flatten
from .measured import Figure, Measured, measure
from .metric import Metric
from .registry import metric_named, metrics_for
from .results import Accounting, MetricRow, Results, RoundRow, SegmentRow, SlotRow

Segments = Mapping[str, Mapping[str, str]]


def summarise(
    sessions: Iterable[Session],
    *,
    catalog: Catalog,
    primary: str,
    seed: int,
    held_out: Mapping[str, frozenset[str]] | None = None,
    popularity: Mapping[str, int] | None = None,
    segments: Segments | None = None,
    baseline: str | None = None,
    arms: Sequence[str] | None = None,
) -> Results:
    """Metrics, breakdowns, accounting and comparison of a run.

    Only `MetricRow.expected` and the comparison's primary metric use stored probabilities; rounds,
    segments and slots are from drawn actions. The order of `sessions` does not matter, and of
    several attempts of one session the latest counts.

    Args:
        held_out: per user, the items liked in the held-out part of the log.
        popularity: per item, its number of events in the log.
        segments: per user, the segment of each trait.
        primary: name of the metric that decides.
        baseline: arm to compare with; default: one named popularity, else the first.
        arms: order of display; default: by name.

    Raises:
        UserError: unknown metric or baseline, no sessions, or sessions that contradict themselves.
    """
    decides = metric_named(primary)
    tables = flatten(sessions)
    if tables.sessions.empty:
        raise UserError("there are no sessions to summarise; run the scenario first.")
    ordered = _arms(arms or (), names(tables.sessions, "arm"))
    base = _baseline(baseline, ordered)
    context = Context(catalog, held_out or {}, popularity or {})
    audiences = place(tables, ordered, context)
    shown = metrics_for(audiences, decides)
    measured = [measure(cells, shown) for cells in audiences]
    rows = [row for m in measured for row in _metric_rows(m, shown, seed)]
    return Results(
        metrics=tuple(rows),
        rounds=tuple(row for m in measured for row in _round_rows(m, shown, rows, seed)),
        segments=tuple(
            r for m in measured for r in _segment_rows(m, decides, segments or {}, seed)
        ),
        slots=tuple(row for cells in audiences for row in _slot_rows(cells, seed)),
        rating_histograms={cells.audience: _histogram(cells) for cells in audiences},
        accounting=tuple(row for cells in audiences for row in _accounting(cells)),
        comparison=compare(measured, shown, primary=decides, baseline=base, seed=seed),
    )


def _arms(wanted: Sequence[str], seen: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*wanted, *seen]))


def _baseline(name: str | None, arms: Sequence[str]) -> str:
    if name is None:
        return "popularity" if "popularity" in arms else arms[0]
    if name not in arms:
        raise UserError(f"the baseline {name!r} is no arm of this run.{did_you_mean(name, arms)}")
    return name


def _everyone(cells: Cells) -> Ints:
    return np.arange(len(cells.users))


def _metric_rows(measured: Measured, metrics: Sequence[Metric], seed: int) -> list[MetricRow]:
    cells = measured.cells
    sampled = [Figure(m, arm) for m in metrics for arm in range(len(cells.arms))]
    expected = [
        Figure(f.metric, f.arm, expected=True)
        for f in sampled
        if measured.has_expected(f.metric, f.arm)
    ]
    own = derive_seed(seed, "metrics", cells.audience)
    spreads = measured.spreads([*sampled, *expected], _everyone(cells), own)
    estimates = [
        spread.estimate(f.metric.bounds)
        for f, spread in zip([*sampled, *expected], spreads, strict=True)
    ]
    second = {
        (f.metric.name, f.arm): estimate
        for f, estimate in zip(expected, estimates[len(sampled) :], strict=True)
    }
    return [
        MetricRow(
            cells.audience, cells.arms[f.arm], f.metric.name, e, second.get((f.metric.name, f.arm))
        )
        for f, e in zip(sampled, estimates, strict=False)
    ]


def _round_rows(
    measured: Measured, metrics: Sequence[Metric], rows: Sequence[MetricRow], seed: int
) -> list[RoundRow]:
    cells = measured.cells
    by_round = [m for m in metrics if m.by_round]
    if len(cells.rounds) == 1:
        kept = {m.name for m in by_round}
        return [
            RoundRow(r.audience, r.arm, cells.rounds[0], r.metric, r.sampled)
            for r in rows
            if r.audience == cells.audience and r.metric in kept
        ]
    figures = [
        Figure(metric, arm, round_)
        for metric in by_round
        for arm in range(len(cells.arms))
        for round_ in range(len(cells.rounds))
    ]
    own = derive_seed(seed, "rounds", cells.audience)
    spreads = measured.spreads(figures, _everyone(cells), own)
    return [
        RoundRow(
            cells.audience,
            cells.arms[f.arm],
            cells.rounds[f.round or 0],
            f.metric.name,
            spread.estimate(f.metric.bounds),
        )
        for f, spread in zip(figures, spreads, strict=True)
    ]


def _segment_rows(
    measured: Measured, primary: Metric, segments: Segments, seed: int
) -> Iterator[SegmentRow]:
    cells = measured.cells
    members: dict[tuple[str, str], list[int]] = {}
    for index, user in enumerate(cells.users):
        for trait, segment in segments.get(user, {}).items():
            members.setdefault((trait, segment), []).append(index)
    figures = [Figure(primary, arm) for arm in range(len(cells.arms))]
    for (trait, segment), users in sorted(members.items(), key=lambda entry: _rank(*entry[0])):
        own = derive_seed(seed, "segment", cells.audience, trait, segment)
        spreads = measured.spreads(figures, np.array(users, np.int64), own)
        for arm, spread in zip(cells.arms, spreads, strict=True):
            estimate = spread.estimate(primary.bounds)
            yield SegmentRow(cells.audience, arm, trait, segment, primary.name, estimate)


def _rank(trait: str, segment: str) -> tuple[str, int, str]:
    """By trait; within it low, medium, high in that order, other segments by name."""
    levels = ("low", "medium", "high")
    return trait, levels.index(segment) if segment in levels else len(levels), segment


def _slot_rows(cells: Cells, seed: int) -> list[SlotRow]:
    rows = cells.exposures[flags(cells.exposures, "answered")]
    users = len(cells.users)
    slot, user = ints(rows, "slot"), ints(rows, "cell") % max(users, 1)
    slots = int(slot.max()) if len(slot) else 0
    at, size = user * slots + slot - 1, users * slots
    clicks = np.bincount(at, floats(rows, "clicked"), minlength=size).astype(np.float64)
    shown = np.bincount(at, minlength=size).astype(np.float64)
    by_user = (users, slots)
    spreads = ratio_spreads(
        clicks.reshape(by_user), shown.reshape(by_user), derive_seed(seed, "slots", cells.audience)
    )
    return [
        SlotRow(cells.audience, number, spread.estimate((0.0, 1.0)))
        for number, spread in enumerate(spreads, start=1)
    ]


def _histogram(cells: Cells) -> tuple[int, int, int, int, int]:
    stars = floats(cells.exposures, "stars")
    nearest = np.clip(np.floor(stars[~np.isnan(stars)] + 0.5), 1, 5).astype(np.int64)
    one, two, three, four, five = np.bincount(nearest, minlength=6)[1:].tolist()
    return one, two, three, four, five


def _accounting(cells: Cells) -> Iterator[Accounting]:
    per_arm = len(cells.rounds) * len(cells.users)
    for number, arm in enumerate(cells.arms):
        sessions = cells.sessions[ints(cells.sessions, "cell") // per_arm == number]
        turns = cells.turns[ints(cells.turns, "cell") // per_arm == number]
        ends = Counter(sessions["end"].tolist())
        causes = Counter(turns["cause"].dropna().tolist())
        reasons = Counter(turns["leave_reason"].dropna().tolist())
        answered = int(flags(turns, "answered").sum())
        yield Accounting(
            audience=cells.audience,
            arm=arm,
            sessions=len(sessions),
            left=ends[SessionEnd.LEFT.value],
            limit=ends[SessionEnd.LIMIT.value],
            failed_sessions=ends[SessionEnd.FAILED.value],
            pages=len(turns),
            answered=answered,
            failed_pages=len(turns) - answered,
            causes={str(cause): causes[cause] for cause in sorted(causes)},
            leave_reasons={r.value: reasons[r.value] for r in LeaveReason},
            reviews=int(ints(turns, "reviews").sum()),
            ungrounded_reviews=int(ints(turns, "ungrounded").sum()),
        )
