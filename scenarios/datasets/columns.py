"""What the columns of a table mean. Comes from YAML, from arguments, or from a known format."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from focusgroup.simulator.types import Event


class Strict(BaseModel):
    """Unknown keys are errors; a value does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _column_alone(value: object) -> object:
    """`rating: stars` is short for `rating: {column: stars}`."""
    return {"column": value} if isinstance(value, str) else value


class RatingColumn(Strict):
    """A column of ratings, brought to 1-5 stars."""

    column: str
    scale: tuple[float, float] = (1.0, 5.0)
    """The lowest and highest rating possible; mapped linearly to 1 and 5."""
    clip: bool = False
    """Cut to 1-5 instead of stretching: for scales that are stars already, like 0.5-5."""
    engaged: float | None = None
    """From this rating on, in the file's own scale, it is engagement (default: 3.5 stars)."""
    rejected: float | None = None
    """Up to this rating it counts as rejection (default: 2.5 stars)."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.scale
        if not low < high:
            raise ValueError("scale must be [lowest, highest]")
        engaged, rejected = self.thresholds
        if not low <= rejected < engaged <= high:
            raise ValueError(
                f"need lowest <= rejected < engaged <= highest, got rejected {rejected:g} and "
                f"engaged {engaged:g} on the scale {low:g}-{high:g}"
            )
        return self

    @property
    def thresholds(self) -> tuple[float, float]:
        """(engaged from, rejected up to), in the file's own scale."""
        low, high = self.scale
        engaged, rejected = (
            (3.5, 2.5) if self.clip else (low + 0.625 * (high - low), low + 0.375 * (high - low))
        )
        return (
            engaged if self.engaged is None else self.engaged,
            rejected if self.rejected is None else self.rejected,
        )


class TimeColumn(Strict):
    """A column of times. Texts are ISO 8601 unless `format` says otherwise."""

    column: str
    unit: str | None = Field(default=None, pattern="^(s|ms|us|ns)$")
    """Of numbers since 1970 (default: seconds)."""
    format: str | None = None
    """strptime pattern, e.g. "%d.%m.%Y"."""


class InteractionColumns(Strict):
    """Which column of the log means what. `user` and `item` are all that is needed."""

    user: str
    item: str
    rating: Annotated[RatingColumn, BeforeValidator(_column_alone)] | None = None
    time: Annotated[TimeColumn, BeforeValidator(_column_alone)] | None = None
    event: str | None = None
    """Column that names the event."""
    events: dict[str, Event] = Field(default_factory=dict)
    """What its words mean, e.g. `{view: click, order: purchase}`; needed for words of your own."""
    always: Event | None = None
    """The event of every row, where no column says it (default: rate with ratings, else click)."""
    quantity: str | None = None
    """Column: how many were bought."""
    liked: str | None = None
    """Column of yes/no: whether the row counts as engagement; a "no" counts as rejection."""
    all_shown: bool = False
    """Whether the log holds all that users were shown: a low rating then is a page passed over,
    not something chosen and disliked. A `liked` column implies it."""

    @model_validator(mode="after")
    def _one_event(self) -> Self:
        if self.event is not None and self.always is not None:
            raise ValueError("give `event` (a column) or `always` (one event for all), not both")
        if self.always is Event.RATE and self.rating is None:
            raise ValueError("`always: rate` needs `rating`, the column with the stars")
        return self


class ItemColumns(Strict):
    """Which column of the catalogue means what."""

    item: str
    title: str
    attributes: tuple[str, ...] = ()
    attribute_separator: str = "|"
    description: str | None = None
    price: str | None = None


class UserColumns(Strict):
    """Which columns describe users; all but the id unless `columns` names some."""

    user: str
    columns: tuple[str, ...] | None = None
