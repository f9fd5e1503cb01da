"""The nouns of the game: frozen values that every other file passes around."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from .errors import FailureCause


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be recommended.

    Attributes:
        item_id: the catalogue's id, a string.
        title: short name, one line.
        attributes: genres, categories, brand: what a review can be grounded in.
        description: longer text, may be empty. Untrusted, like the title.
        price: in the dataset's currency, or None where there are no prices.
    """

    item_id: str
    title: str
    attributes: tuple[str, ...] = ()
    description: str = ""
    price: float | None = None

    @property
    def text(self) -> str:
        """The item in one line for a reader: ``The Matrix (1999): action, sci-fi``."""
        return f"{self.title}: {', '.join(self.attributes)}" if self.attributes else self.title


@dataclass(frozen=True, slots=True)
class Catalog(Mapping[str, Item]):
    """The items as a scenario shows them now, by id, in a stable order."""

    by_id: Mapping[str, Item]

    def __getitem__(self, item_id: str) -> Item:
        return self.by_id[item_id]

    def __contains__(self, item_id: object) -> bool:
        return item_id in self.by_id

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_id)

    def __len__(self) -> int:
        return len(self.by_id)


class Event(StrEnum):
    """What a user did to an item, in a log or in a simulation."""

    CLICK = "click"
    PURCHASE = "purchase"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One past event of one user with one item.

    Attributes:
        value: stars for a rating, the number bought for a purchase, 1 for a click.
        positive: whether the dataset counts it as engagement (a rating of one star is not).
    """

    item_id: str
    event: Event
    value: float = 1.0
    positive: bool = True


@dataclass(frozen=True, slots=True)
class RecRequest:
    """One user's request for one page.

    Attributes:
        k: how many items are wanted.
        history: the user's interactions so far, oldest first. It alone identifies the user's taste:
            the user id may be unknown to the recommender.
        exclude: item ids that must not be shown.
        candidates: if given, only these may be shown.
        context: what the scenario says about the moment, e.g. ``{"round": "2"}``.
        seed: the only randomness a recommender may use for this request.
    """

    user_id: str
    k: int
    history: Sequence[Interaction] = ()
    exclude: frozenset[str] = frozenset()
    candidates: Sequence[str] | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Slate:
    """The ordered items of one page, best first.

    Attributes:
        scores: the recommender's scores, any scale, or None.
        propensities: the probability in (0, 1] with which each item was shown, or None.
    """

    item_ids: tuple[str, ...]
    scores: tuple[float, ...] | None = None
    propensities: tuple[float, ...] | None = None


class LeaveReason(StrEnum):
    """Why a user ended a visit."""

    SATISFIED = "satisfied"
    BORED = "bored"
    TIRED = "tired"


@dataclass(frozen=True, slots=True)
class Click:
    """The user opened, watched or picked the item."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Purchase:
    """The user bought the item at this price (0 where the catalogue has none)."""

    item_id: str
    price: float


@dataclass(frozen=True, slots=True)
class Rate:
    """The user rated the item; stars run from 1 to 5."""

    item_id: str
    stars: float


@dataclass(frozen=True, slots=True)
class Review:
    """The user wrote about the item; grounded if the text names an attribute of it."""

    item_id: str
    text: str
    grounded: bool


@dataclass(frozen=True, slots=True)
class NextPage:
    """The user turned the page."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The user ended the visit."""

    reason: LeaveReason


@dataclass(frozen=True, slots=True)
class Remark:
    """What the user said in the interview at the exit."""

    text: str


Action = Click | Purchase | Rate | Review | NextPage | Remark | Leave


class SlotOdds(NamedTuple):
    """What the behaviour model expects of one slot, before anything is drawn.

    Attributes:
        click: probability of a click, in [0, 1].
        purchase: probability of a purchase (not conditional on the click), in [0, 1].
        stars: expected stars if the user rates it, in [1, 5], or None.
    """

    click: float
    purchase: float = 0.0
    stars: float | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the language model thinks of a slate, before behaviour is drawn.

    Attributes:
        scores: one number a slot, compared within the page only (log-odds, or 1 for picked), less
            `prior` where that was asked.
        stars: stars the model expects to give, a slot each, None where it did not say.
        reason: the model's own words, untrusted.
        numbers: the number each slot bore in the prompt, from 1; () where items were not numbered.
        prior: the same said for nobody in particular, a slot each; () where it was not asked.
    """

    scores: tuple[float, ...]
    stars: tuple[float | None, ...] = ()
    reason: str = ""
    numbers: tuple[int, ...] = ()
    prior: tuple[float, ...] = ()

    @property
    def said(self) -> tuple[float, ...]:
        """What the model said of each slot before its prior was taken off."""
        if not self.prior:
            return self.scores
        return tuple(s + p for s, p in zip(self.scores, self.prior, strict=True))


@dataclass(frozen=True, slots=True)
class Response:
    """A user's answer to one page.

    Attributes:
        actions: what the user did, ending in NextPage or Leave.
        satisfaction: with the page, in [0, 1].
        odds: one per slot where a calibrated model was drawn from, else None.
        p_leave: probability of leaving after this page, else None.
        opinion: what the language model thought, if one was asked.
        completion_keys: journal keys of the completions behind this answer.
    """

    actions: tuple[Action, ...]
    satisfaction: float
    odds: tuple[SlotOdds, ...] | None = None
    p_leave: float | None = None
    opinion: Opinion | None = None
    completion_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a page went unanswered, as stored."""

    cause: FailureCause
    detail: str
    completion_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """One page shown (slate None if the recommender itself failed) and what came of it."""

    page: int
    slate: Slate | None
    outcome: Response | Failure


class SessionEnd(StrEnum):
    """How a visit ended: started = left + limit + failed."""

    LEFT = "left"
    LIMIT = "limit"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, order=True)
class SessionKey:
    """Names one visit. Ordered: audience, arm, user, round."""

    audience: str
    arm: str
    user_id: str
    round: int


@dataclass(frozen=True, slots=True)
class Session:
    """One visit: its turns in order and how it ended. `attempt` grows when it is retried."""

    key: SessionKey
    turns: tuple[Turn, ...]
    end: SessionEnd
    attempt: int = 0
