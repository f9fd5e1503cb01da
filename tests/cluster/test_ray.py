"""Runs shared out over a Ray cluster of two nodes: the same results, whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from focusgroup.scenarios.batch import start_run
from focusgroup.scenarios.cluster.place import Place
from focusgroup.scenarios.cluster.ray_cluster import ray_cluster
from focusgroup.scenarios.options import Options
from focusgroup.scenarios.rundir import RunDirectory
from focusgroup.scenarios.scenario import Scenario, scenario_from
from focusgroup.simulator import Session

SPEAKING = "{agent: llm, users: 8, style: answer, reviews: 0.3, interview: true}"
OWN = """\
from focusgroup.simulator import Slate
import beside

class Own:
    def recommend(self, requests):
        return [Slate(tuple(beside.shown(r))) for r in requests]
"""
BESIDE = """\
IDS = [f"f{n:02d}" for n in range(60)]

def shown(request):
    return [i for i in IDS if i not in request.exclude][: request.k]
"""


@pytest.fixture
def server(start_server: Callable[..., Any]) -> Iterator[Any]:
    with start_server("--delay", "0.05") as running:
        yield running


@pytest.fixture
def speaking(world: Path, server: Any) -> Path:
    """The two-tastes scenario with users that speak through the server."""
    path = world / "scenario.yaml"
    text = path.read_text().replace("{agent: behaviour, users: 20}", SPEAKING)
    path.write_text(text.replace("users: 8", f"users: 8, llm: 'openai:demo-model@{server.url}'"))
    return path


def _told(focusgroup: Any, run: Path) -> dict[str, str | bytes]:
    """All that must be the same: the comparison, and every exported file."""
    out = run.parent / f"{run.name}-exported"
    assert focusgroup("export", run, "--format", "parquet", "--out", out).code == 0
    files = {p.name.removeprefix(run.name): p.read_bytes() for p in sorted(out.iterdir())}
    return {"compare": focusgroup("compare", run, "--json").out, **files}


def _sessions(run: Path) -> list[Session]:
    return RunDirectory.existing(run).store(writing=False).sessions()


def _calls(server: Any) -> Counter[str]:
    asked = (json.dumps([b["messages"], b.get("seed")]) for b in server.seen())
    return Counter(one for one in asked if "water" not in one)


def test_any_number_of_actors_does_what_one_process_does(
    focusgroup: Any, cluster: Any, speaking: Path, server: Any, actors: Any, wait_until: Any
) -> None:
    alone = speaking.parent / "alone"
    assert focusgroup("run", speaking, "--out", alone, "--quiet").code == 0
    once, told = _calls(server), _told(focusgroup, alone)
    for nth, number in enumerate((1, 2, 4), 2):
        run = speaking.parent / f"by-{number}"
        ran = focusgroup(
            "run", speaking, "--out", run, "--ray", cluster.address, "--actors", number
        )
        assert ran.code == 0, ran.err
        assert "24/24" in ran.err  # the bar came to its end
        assert _sessions(run) == _sessions(alone)
        assert _told(focusgroup, run) == told
        assert _calls(server) == Counter({page: nth * times for page, times in once.items()})
    wait_until(lambda: not actors())


def test_rounds_retraining_and_a_recommender_of_ones_own(
    focusgroup: Any, cluster: Any, world: Path
) -> None:
    (world / "own.py").write_text(OWN)
    (world / "beside.py").write_text(BESIDE)
    path = world / "scenario.yaml"
    arms = "{als: {}, item_knn: {}, own: {use: 'own:Own'}}"
    text = path.read_text().replace("[random, popularity, item_knn]", arms)
    path.write_text(f"{text}rounds: 3\nretrain: fit\n")
    assert focusgroup("run", path, "--out", world / "alone", "--quiet").code == 0
    ran = focusgroup(
        "run", path, "--out", world / "shared", "--ray", cluster.address, "--actors", 3, "--quiet"
    )
    assert ran.code == 0, ran.err
    assert len(_sessions(world / "alone")) == 180
    assert _sessions(world / "shared") == _sessions(world / "alone")
    assert _told(focusgroup, world / "shared") == _told(focusgroup, world / "alone")


def _scenario(path: Path) -> Scenario:
    import yaml

    return scenario_from(yaml.safe_load(path.read_text()), "test")


def test_killed_actors_and_a_lost_node_lose_nothing(
    focusgroup: Any, cluster: Any, speaking: Path, server: Any, actors: Any
) -> None:
    world = speaking.parent
    assert focusgroup("run", speaking, "--out", world / "alone", "--quiet").code == 0
    once = _calls(server)
    extra = cluster.add_node(num_cpus=2, object_store_memory=100_000_000)
    ended: list[Session] = []
    killed: list[int] = []

    def kill(session: Session) -> None:
        ended.append(session)
        if len(ended) == 1:
            for actor in actors()[:2]:
                killed.append(actor)
                os.kill(actor, signal.SIGKILL)
        if len(ended) == 17:
            killed.extend(actors())
            cluster.remove_node(extra, allow_graceful=False)

    with ray_cluster(Place(cluster.address, 3), world) as connected:
        run = start_run(
            _scenario(speaking),
            RunDirectory.fresh(world / "shared"),
            "shared",
            Options(folder=world, concurrency=6, cluster=connected, on_session_end=kill),
            lambda: "now",
        )
    assert len(killed) >= 2
    assert list(run.sessions) == _sessions(world / "alone")
    assert len(ended) == 24
    again = _calls(server) - once - once
    # Only calls that were under way when their actor was killed were made twice.
    assert again.total() <= len(killed) * 6


def test_a_killed_driver_leaves_a_run_that_one_process_can_finish(
    focusgroup: Any, cluster: Any, speaking: Path, server: Any, actors: Any, wait_until: Any
) -> None:
    world = speaking.parent
    assert focusgroup("run", speaking, "--out", world / "alone", "--quiet").code == 0
    once = _calls(server)
    command = [
        *(sys.executable, "-m", "focusgroup.scenarios.cli", "run", str(speaking)),
        *("--out", str(world / "shared"), "--ray", cluster.address, "--actors", "2"),
        *("--concurrency", "4", "--quiet"),
    ]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while (_calls(server) - once).total() < 30:
            assert driver.poll() is None
            time.sleep(0.05)
    finally:
        driver.kill()
        driver.wait()
    # Its actors go with it; what they still had under way is lost, as in one process.
    wait_until(lambda: not actors())
    resumed = focusgroup("resume", world / "shared", "--quiet")
    assert resumed.code == 0, resumed.err
    assert _sessions(world / "shared") == _sessions(world / "alone")
    assert (_calls(server) - once - once).total() <= 2 * 4
    assert "0 answers from the journal" not in resumed.out


def test_what_stops_a_run_is_said_once_and_it_can_be_gone_on_with(
    focusgroup: Any, cluster: Any, speaking: Path
) -> None:
    world = speaking.parent
    shared = ("--ray", cluster.address, "--actors", 2, "--quiet")
    run = world / "run"
    stopped = focusgroup("run", speaking, "--out", run, *shared, "--max-tokens", 6000)
    assert stopped.code == 3
    assert stopped.err.count("the budget is spent") == 1
    assert "Traceback" not in stopped.err
    assert focusgroup("resume", run, *shared).code == 0
    assert focusgroup("run", speaking, "--out", world / "alone", "--quiet").code == 0
    assert _sessions(run) == _sessions(world / "alone")


def test_a_cluster_that_is_too_small_or_not_there_is_said(
    focusgroup: Any, cluster: Any, speaking: Path
) -> None:
    out = ("--out", speaking.parent / "run")
    small = focusgroup("run", speaking, *out, "--ray", cluster.address, "--actors", 64)
    assert small.code == 2 and "processors" in small.err
    gone = focusgroup("run", speaking, *out, "--ray", "127.0.0.1:9", "--actors", 1)
    assert gone.code == 2 and "no Ray cluster answers there" in gone.err
    assert not out[1].exists()
