"""Who a simulated user is: a short, stable portrait, from a log, a file or sampled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Where a user stands among all users: lowest, middle or highest third."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class RatingHabit:
    """How a user rates.

    Attributes:
        mean: mean stars, 1-5.
        spread: standard deviation of the stars.
        low_share: share of ratings of two stars or fewer, in [0, 1].
    """

    mean: float
    spread: float
    low_share: float


@dataclass(frozen=True, slots=True)
class Persona:
    """A portrait. Only what is known is told; the rest is left out, never made up.

    Attributes:
        liked, disliked: items in one line each, most telling first.
        tastes, distastes: attributes chosen more, or less, than others choose them.
        activity: how much the user does; conformity: how close the user's ratings are to those of
            others; diversity: how many different attributes the user's choices have (the three
            traits of Agent4Rec, Zhang et al. 2024).
        price_level: prices paid, among all users.
        demographics: (name, value) pairs.
        notes: free text of a hand-written persona.
    """

    persona_id: str
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    tastes: tuple[str, ...] = ()
    distastes: tuple[str, ...] = ()
    habit: RatingHabit | None = None
    activity: Level | None = None
    conformity: Level | None = None
    diversity: Level | None = None
    price_level: Level | None = None
    demographics: tuple[tuple[str, str], ...] = ()
    notes: str = ""

    def segments(self) -> dict[str, str]:
        """Trait -> segment, for tables by segment."""
        traits = {
            "activity": self.activity,
            "conformity": self.conformity,
            "diversity": self.diversity,
            "price level": self.price_level,
        }
        return {name: level.value for name, level in traits.items() if level is not None}
