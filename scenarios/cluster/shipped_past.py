"""What a shard's users did in earlier rounds, shipped as a table and read when it is asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import pyarrow as pa

from focusgroup.simulator import Session
from focusgroup.simulator.codec import from_table, to_table
from focusgroup.simulator.past import by_user_and_arm
from focusgroup.simulator.store import Past

_AT_ONCE = 256  # users whose sessions are objects at the same time


def past_of(past: Past, user_ids: Iterable[str], arms: Iterable[str]) -> pa.Table | None:
    """The earlier sessions of some users as a table; None if they have none."""
    names, tables = list(arms), []
    for users in _batches(user_ids):
        sessions = [session for user in users for arm in names for session in past(user, arm)]
        if sessions:
            tables.append(to_table(sessions))
    return pa.concat_tables(tables) if tables else None


class ShippedPast:
    """A `Past` over a table of sessions."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._rows: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        names = zip(table["user_id"].to_pylist(), table["arm"].to_pylist(), strict=True)
        for row, name in enumerate(names):
            self._rows[name].append(row)

    def __call__(self, user_id: str, arm: str) -> tuple[Session, ...]:
        rows = self._rows.get((user_id, arm))
        if rows is None:
            return ()
        found = from_table(self._table.take(rows))
        return by_user_and_arm(found).get((user_id, arm), ())


def _batches(user_ids: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for user in user_ids:
        batch.append(user)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    yield batch
