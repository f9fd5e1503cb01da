"""What a dataset is, in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from focusgroup.simulator.domain import Domain

from .dataset import Dataset


@dataclass(frozen=True, slots=True)
class Description:
    """A dataset at a glance; `str()` is the text for a terminal.

    Attributes:
        users, items: rows of the tables; `active_users` and `active_items` appear in the log.
        density: distinct (user, item) pairs of the log / (active users x active items), in [0, 1].
        per_user: interactions per active user: minimum, quartiles, maximum.
        engaged_share: share of interactions that count as engagement, in [0, 1].
        events: interactions by event.
        period: first and last day (ISO), None without time.
        user_columns: what is known of users.
    """

    domain: Domain
    users: int
    active_users: int
    items: int
    active_items: int
    interactions: int
    density: float
    per_user: tuple[int, int, int, int, int]
    engaged_share: float
    events: tuple[tuple[str, int], ...]
    period: tuple[str, str] | None
    user_columns: tuple[str, ...]
    example: str
    source: str
    licence: str
    notes: tuple[str, ...]
    fingerprint: str

    def __str__(self) -> str:
        d = self.domain
        low, q1, median, q3, high = self.per_user
        kinds = ", ".join(f"{count:,} {event}" for event, count in self.events)
        rows = [
            ("users", f"{self.users:,} ({self.active_users:,} in the log)"),
            ("items", f"{self.items:,} ({self.active_items:,} in the log), e.g. {self.example}"),
            ("interactions", f"{self.interactions:,} ({kinds}), density {self.density:.2%}"),
            ("per user", f"{low} to {high}, median {median}, middle half {q1} to {q3}"),
            ("period", " to ".join(self.period) if self.period else "no times"),
            ("engagement", f"{d.engaged}: {self.engaged_share:.1%} of interactions"),
            ("rejection", d.rejected or "not in the data"),
            ("known of users", ", ".join(self.user_columns) or "nothing but the log"),
            ("cannot know", ", ".join(d.unknown)),
            ("source", self.source or "not stated"),
            ("licence", self.licence or "not stated"),
            *(("note", note) for note in self.notes),
            ("fingerprint", self.fingerprint),
        ]
        width = max(len(name) for name, _ in rows)
        lines = "\n".join(f"  {name:<{width}}  {text}" for name, text in rows)
        return f"{d.name}\n{lines}"


def describe(dataset: Dataset) -> Description:
    """Count what is in the three tables."""
    log = dataset.interactions
    counts = log["user_id"].value_counts().to_numpy()
    items = log["item_id"].nunique()
    pairs = len(log[["user_id", "item_id"]].drop_duplicates())
    low, q1, median, q3, high = (
        int(value) for value in np.quantile(counts, [0, 0.25, 0.5, 0.75, 1])
    )
    events = sorted(log["event"].value_counts().items())
    times = log["timestamp"]
    first, last = (
        (np.datetime64(int(t), "s") for t in (times.min(), times.max()))
        if (dataset.domain.has_time)
        else (None, None)
    )
    popular = log["item_id"].value_counts()
    commonest = min(popular.index[popular == popular.max()])
    return Description(
        domain=dataset.domain,
        users=len(dataset.users),
        active_users=len(counts),
        items=len(dataset.items),
        active_items=items,
        interactions=len(log),
        density=pairs / (len(counts) * items),
        per_user=(low, q1, median, q3, high),
        engaged_share=float(log["positive"].mean()),
        events=tuple((str(event), int(count)) for event, count in events),
        period=None if first is None else (str(first)[:10], str(last)[:10]),
        user_columns=tuple(str(name) for name in dataset.users.columns if name != "user_id"),
        example=dataset.catalog()[commonest].text,
        source=dataset.source,
        licence=dataset.licence,
        notes=dataset.notes,
        fingerprint=dataset.fingerprint,
    )
