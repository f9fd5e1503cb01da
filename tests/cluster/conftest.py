"""A Ray cluster of two nodes on this machine; only where it is asked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
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
