"""Bars of a run: what is left of each audience, as they run one after the other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from focusgroup.scenarios.commands.progress import close_bars, session_bar
from focusgroup.simulator import Session, SessionEnd, SessionKey


def experiment(**users: int) -> Any:
    rooms = [
        SimpleNamespace(audience=SimpleNamespace(name=name, user_ids=range(number)))
        for name, number in (users or {"quick": 10, "slow": 2}).items()
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


def test_after_many_visits_a_reader_is_told_what_is_waited_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = session_bar(experiment(many=5_000), 10_000)
    for _ in range(9_999):
        ended(ran("many"))
    assert "working out the results" not in capsys.readouterr().err
    ended(ran("many"))
    assert "working out the results" in capsys.readouterr().err
