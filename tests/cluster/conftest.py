"""A Ray cluster of two nodes on this machine; only where it is asked for."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_ASKED = os.environ.get("FOCUSGROUP_TEST_RAY") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/cluster/" not in item.path.as_posix():
            continue
        if not _ASKED:
            why = "starts a Ray cluster: make test-ray, or FOCUSGROUP_TEST_RAY=1"
            item.add_marker(pytest.mark.skip(reason=why))
        # Ray's own code warns, and leaves files and sockets to the garbage collector.
        for ignored in ("DeprecationWarning", "FutureWarning", "ResourceWarning"):
            item.add_marker(pytest.mark.filterwarnings(f"ignore::{ignored}"))
        unraisable = "ignore::pytest.PytestUnraisableExceptionWarning"
        item.add_marker(pytest.mark.filterwarnings(unraisable))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Two nodes of two processors each; `add_node` and `remove_node` change that."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 2, "object_store_memory": 100_000_000, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    try:
        made.add_node(**node)
        yield made
    finally:
        with contextlib.suppress(Exception):
            ray.shutdown()
        made.shutdown()


@pytest.fixture
def actors() -> Callable[[], list[int]]:
    """The processes of our actors on all nodes, which are children of this process."""

    def found() -> list[int]:
        parents, shards = {}, []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stat = (folder / "stat").read_text()
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended meanwhile
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
            if b"ray::Shard" in command:
                shards.append(int(folder.name))
        return sorted(pid for pid in shards if os.getpid() in _above(pid, parents))

    return found


def _above(pid: int, parents: dict[int, int]) -> set[int]:
    found: set[int] = set()
    while (pid := parents.get(pid, 0)) and pid not in found:
        found.add(pid)
    return found


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Waits until something is so, a minute at most."""

    def wait(so: Callable[[], object], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not so():
            assert time.monotonic() < end, f"not so within {seconds:g} s"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def stored() -> ModuleType:
    """tests/durability/stored.py: what a run directory holds."""
    path = Path(__file__).resolve().parents[1] / "durability" / "stored.py"
    spec = importlib.util.spec_from_file_location("focusgroup_stored_by_ray", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
