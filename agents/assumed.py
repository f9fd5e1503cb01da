"""What a log without pages cannot tell: assumed, named, and never called learned."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Assumed:
    """Parameters of the behaviour that no interaction log identifies.

    Attributes:
        slot: log-odds lost per doubling of the position (1st to 2nd, 2nd to 4th ...).
        fatigue: log-odds lost between fresh and fully tired (fatigue 0 to 1).
        conversion: probability that a click on something bought becomes the purchase: a log of
            purchases shows no clicks, so P(click) = min(0.95, P(purchase) / conversion).
        elasticity: log-odds lost when a price rises by a factor e above the log's price.
        leave: log-odds of leaving after a page when fresh and half satisfied.
        leave_fatigue: log-odds of leaving added between fresh and fully tired.
        leave_dissatisfaction: log-odds of leaving added from fully satisfied to not at all.
        repeat_shown: log-odds lost each time an item is shown again in a visit.
    """

    slot: float = 0.15
    fatigue: float = 0.5
    conversion: float = 0.35
    elasticity: float = 1.5
    leave: float = -1.2
    leave_fatigue: float = 2.0
    leave_dissatisfaction: float = 0.8
    repeat_shown: float = 1.0
