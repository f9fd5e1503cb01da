"""What the loop asks of users and recommenders. Nothing here knows a language model or a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import pandas as pd

from .noise import Noise
from .types import Catalog, RecRequest, Response, Session, Slate, Turn


@dataclass(frozen=True, slots=True)
class Visit:
    """All a user may know when a page is shown.

    Attributes:
        user_id: who visits.
        arm: which recommender is shown. For records only: an agent must not answer by it.
        round: 0-based; one round lies between two updates of the recommenders.
        page: 0-based page within this visit.
        past: this user's stored sessions of this arm, earlier rounds first.
        turns: the answered turns of this visit so far.
        catalog: items as the scenario shows them now (text, price).
        noise: the visit's draws, the same in every arm.
        attempt: 0, and one more each time this session is retried after it failed.
    """

    user_id: str
    arm: str
    round: int
    page: int
    past: tuple[Session, ...]
    turns: tuple[Turn, ...]
    catalog: Catalog
    noise: Noise
    attempt: int = 0


@runtime_checkable
class Recommender(Protocol):
    """Shows items. The only required method.

    An answer may depend on its own request only, never on what else is in the batch; any user can
    be served from `request.history` alone. `focusgroup.recommenders.check_recommender` tests this.
    """

    def recommend(self, requests: Sequence[RecRequest]) -> Sequence[Slate]:
        """One slate per request, in order, each of exactly k distinct catalogue items
        (fewer only if fewer are allowed by `exclude` and `candidates`)."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """Learns from an interaction log, from scratch."""

    def fit(
        self,
        interactions: pd.DataFrame,
        *,
        items: pd.DataFrame | None = None,
        users: pd.DataFrame | None = None,
    ) -> Self:
        """Fit on rows (user_id, item_id, event, value, positive, timestamp)."""
        ...


@runtime_checkable
class Updatable(Protocol):
    """Learns from new rows on top of what it knows."""

    def partial_fit(self, interactions: pd.DataFrame) -> Self:
        """Update with rows of the same columns as `Trainable.fit`."""
        ...


@runtime_checkable
class Persistable(Protocol):
    """Can be written to a folder and read back."""

    def save(self, folder: Path) -> None: ...
    @classmethod
    def load(cls, folder: Path) -> Self: ...


@runtime_checkable
class UserAgent(Protocol):
    """A user that may have to wait for a model.

    Raises:
        TurnFailed: this page could not be answered; the session ends as failed, others go on.
    """

    async def respond(self, slate: Slate, visit: Visit) -> Response: ...


@runtime_checkable
class BatchUserAgent(Protocol):
    """A user that is pure arithmetic: answers many pages at once, each as if asked alone."""

    def respond_many(
        self, slates: Sequence[Slate], visits: Sequence[Visit]
    ) -> Sequence[Response]: ...
