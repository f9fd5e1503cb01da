"""The metrics by name, and which of them a run can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from focusgroup.simulator.errors import UserError, did_you_mean

from .cells import Cells, flags, floats
from .diversity import DIVERSITY
from .engagement import ENGAGEMENT
from .failures import FAILURES
from .metric import Metric, Needs
from .ranking import RANKING
from .ratings import RATINGS
from .visits import VISITS

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (*ENGAGEMENT, *RATINGS, *VISITS, *RANKING, *DIVERSITY, *FAILURES)
}


def metric_named(name: str) -> Metric:
    """The metric of this name.

    Raises:
        UserError: there is none; the message names the nearest.
    """
    if name not in METRICS:
        raise UserError(f"unknown metric {name!r}.{did_you_mean(name, METRICS)}")
    return METRICS[name]


def metrics_for(audiences: Sequence[Cells], primary: Metric) -> tuple[Metric, ...]:
    """The metrics that this run's data can feed, in the order of the registry."""
    if not audiences:
        return (primary,)
    held = {need for need in Needs if any(_holds(cells, need) for cells in audiences)}
    return tuple(m for m in METRICS.values() if m.needs in held or m is primary)


def _holds(cells: Cells, need: Needs) -> bool:
    shown, context = cells.exposures, cells.context
    match need:
        case Needs.NOTHING:
            return True
        case Needs.PURCHASES:
            bought = flags(shown, "purchased").any()
            return bool(bought or (floats(shown, "p_purchase") > 0).any())
        case Needs.PRICES:
            priced = any(item.price is not None for item in context.catalog.values())
            return priced and _holds(cells, Needs.PURCHASES)
        case Needs.RATINGS:
            return bool((floats(shown, "stars") > 0).any() or (floats(shown, "e_stars") > 0).any())
        case Needs.HELD_OUT:
            return any(context.held_out.get(user) for user in cells.users)
        case Needs.POPULARITY:
            return bool(context.popularity)
        case Needs.ATTRIBUTES:
            return any(item.attributes for item in context.catalog.values())
