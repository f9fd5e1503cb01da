"""Who simulates whom, what is said on the command line, and errors that travel."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.agents.llm import TransportError
from focusgroup.agents.llm.protocol import TransportKind
from focusgroup.scenarios.cluster.dealing import deal, shares
from focusgroup.scenarios.cluster.messages import portable
from focusgroup.scenarios.cluster.place import Place, with_address
from focusgroup.scenarios.cluster.ray_cluster import ray_cluster
from focusgroup.simulator import RunStopped, UserError


def _sent(message: Any) -> Any:
    return pickle.loads(pickle.dumps(message))


@given(st.sets(st.text(max_size=4)), st.integers(1, 9), st.randoms())
def test_every_user_is_dealt_once_and_evenly_whatever_the_order(
    users: set[str], shards: int, random: Any
) -> None:
    listed = sorted(users)
    dealt = deal(listed, shards)
    assert sorted(user for share in dealt for user in share) == listed
    assert len(dealt) == min(shards, len(users))
    assert max(map(len, dealt), default=0) - min(map(len, dealt), default=0) <= 1
    assert all(share == sorted(share) for share in dealt)
    random.shuffle(listed)
    assert [set(share) for share in deal(listed, shards)] == [set(share) for share in dealt]


@given(st.integers(1, 1000), st.integers(1, 50))
def test_a_limit_is_shared_out_whole(whole: int, shards: int) -> None:
    each = shares(whole, shards)
    assert len(each) == shards and min(each) >= 1
    assert sum(each) == max(whole, shards)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("run x --ray", "run x --ray auto"),
        ("run --ray x", "run --ray auto x"),
        ("run x --ray --actors 2", "run x --ray auto --actors 2"),
        ("run x --ray local", "run x --ray local"),
        ("run x --ray ray://h:10001 --quiet", "run x --ray ray://h:10001 --quiet"),
        ("run x --ray=h:6379", "run x --ray=h:6379"),
    ],
)
def test_the_address_may_be_left_out(written: str, read: str) -> None:
    assert with_address(written.split()) == read.split()


def test_errors_arrive_as_what_they_were() -> None:
    sent: list[Exception] = [
        _sent(portable(e))
        for e in (
            UserError("a"),
            RunStopped("b"),
            TransportError("c", TransportKind.BUSY, status=429, retry_after=2.0),
        )
    ]
    assert [type(e) for e in sent] == [UserError, RunStopped, TransportError]
    assert [str(e) for e in sent] == ["a", "b", "c"]
    lost = sent[2]
    assert isinstance(lost, TransportError)
    assert (lost.kind, lost.status, lost.retry_after) == (TransportKind.BUSY, 429, 2.0)
    try:
        raise KeyError("unforeseen")
    except KeyError as error:
        assert "KeyError: 'unforeseen'" in str(_sent(portable(error)))


def test_without_ray_the_flag_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(UserError, match=r"pip install 'focusgroup\[ray\]'"),
        ray_cluster(Place(), tmp_path),
    ):
        pass


def test_actors_without_ray_are_refused(focusgroup: Any, world: Path) -> None:
    ran = focusgroup("run", world / "scenario.yaml", "--actors", 2)
    assert ran.code == 2 and "add --ray" in ran.err


def test_nothing_imports_ray_unless_it_is_asked_for() -> None:
    code = "import sys, focusgroup.scenarios.cli; assert 'ray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
