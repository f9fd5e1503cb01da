"""Bars of a run: what is left of each audience, as they run one after the other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from focusgroup.scenarios.commands.progress import close_bars, session_bar
from focusgroup.simulator import Session, SessionEnd, SessionKey


def experiment() -> Any:
    rooms = [
        SimpleNamespace(audience=SimpleNamespace(name=name, user_ids=range(users)))
        for name, users in (("quick", 10), ("slow", 2))
    ]
    return SimpleNamespace(rooms=rooms, arms={"a": 0, "b": 0}, scenario=SimpleNamespace(rounds=1))


def ran(audience: str) -> Session:
    return Session(SessionKey(audience, "a", "u", 0), (), SessionEnd.LIMIT)


@pytest.mark.parametrize(
    ("left", "shown"),
    [(24, {"quick": 20, "slow": 4}), (7, {"quick": 3, "slow": 4}), (3, {"slow": 3})],
)
def test_each_audience_has_a_bar_over_what_is_left_of_it(
    left: int, shown: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    ended = session_bar(experiment(), left)
    for name in shown:
        ended(ran(name))
    close_bars()
    told = capsys.readouterr().err
    for name, total in shown.items():
        assert f"{name}: " in told
        assert f"1/{total} " in told
