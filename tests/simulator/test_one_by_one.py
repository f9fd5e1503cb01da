"""A run of any size is measured and reported session by session; none of them piles up."""

from __future__ import annotations

from collections.abc import Iterator

from focusgroup.simulator import NextPage, Response, Session, SessionEnd, SessionKey, Slate, Turn
from focusgroup.simulator.metrics import flatten
from focusgroup.simulator.report import see

VISITS = 2_000


class Fleeting(Session):
    """A session that counts itself while it is in memory."""

    __slots__ = ()
    alive = 0
    most = 0

    def __del__(self) -> None:
        Fleeting.alive -= 1


def visits() -> Iterator[Session]:
    Fleeting.alive = Fleeting.most = 0
    for number in range(VISITS):
        key = SessionKey("all", "ab"[number % 2], f"u{number:04d}", 0)
        page = Turn(0, Slate(("i1", "i2")), Response((NextPage(),), 0.5))
        made = Fleeting(key, (page,), SessionEnd.LIMIT)
        Fleeting.alive += 1
        Fleeting.most = max(Fleeting.most, Fleeting.alive)
        yield made


def test_tables_keep_no_session() -> None:
    assert len(flatten(visits()).sessions) == VISITS
    assert Fleeting.most <= 3


def test_a_report_keeps_those_it_shows() -> None:
    seen = see(visits())
    assert seen.users == {"all": VISITS} and seen.rounds == 1
    assert [one.session.key.user_id for one in seen.chosen["all", "b"]] == ["u0001"]
    assert seen.readers() == {"u0000", "u0001"}
    assert Fleeting.most <= 2 * len(seen.chosen) + 3
