"""Workers as actors of a Ray cluster. Ray is imported when a run asks for it, and not before."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from focusgroup.simulator import UserError

from .crew import Packed, ShardLost
from .messages import FromHead, FromShard, Job
from .place import AUTO, LOCAL, Place
from .shard import Shard

START_SECONDS = 300.0
CLOSE_SECONDS = 5.0
KNOCK_SECONDS = 10.0
_OBJECT_STORE = 200_000_000  # bytes, of a cluster started here: results are not kept in it
_QUIET = {"log_to_driver": False, "logging_level": "ERROR"}

Said = TypeVar("Said")


@contextmanager
def ray_cluster(place: Place, folder: Path) -> Iterator[RayCluster]:
    """The cluster, for as long as the block lasts; what was started here is ended after it.

    Args:
        folder: recommenders' own modules under it travel with them.

    Raises:
        UserError: Ray is missing, the address leads nowhere, or the cluster is too small.
    """
    ray = _imported()
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, place)
    try:
        yield RayCluster(ray, _room(ray, place), folder)
    finally:
        if ours:
            ray.shutdown()


class RayWorker:
    """A `Shard` in an actor."""

    def __init__(self, ray: ModuleType, actor: Any) -> None:
        self._ray, self._actor = ray, actor

    async def hello(self) -> str:
        return str(await self._said(self._actor.hello.remote(), START_SECONDS))

    async def begin(self, audience: Packed, arms: Packed, shown: Packed, job: Job) -> None:
        await self._said(self._actor.begin.remote(audience, arms, shown, job))

    async def collect(self) -> list[FromShard]:
        said: list[FromShard] = await self._said(self._actor.collect.remote())
        return said

    async def deliver(self, messages: Sequence[FromHead]) -> None:
        await self._said(self._actor.deliver.remote(messages))

    async def halt(self) -> None:
        await self._said(self._actor.halt.remote())

    async def close(self) -> None:
        try:
            await self._said(self._actor.close.remote(), CLOSE_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        self._ray.kill(self._actor)

    async def _said(self, reference: Awaitable[Said], seconds: float | None = None) -> Said:
        try:
            async with asyncio.timeout(seconds):
                return await reference
        except self._ray.exceptions.RayTaskError as error:
            raise UserError(f"--ray: a shard cannot work: {_last_line(error)}") from error
        except self._ray.exceptions.RayError as error:
            raise ShardLost(_last_line(error)) from error
        except TimeoutError as error:
            raise ShardLost(f"no word from it within {seconds:g} s") from error


class RayCluster:
    """A connected cluster (a `Cluster`)."""

    def __init__(self, ray: ModuleType, actors: int, folder: Path) -> None:
        self.actors = actors
        self._ray, self._folder = ray, folder.resolve()
        self._shard = ray.remote(Shard)

    def pack(self, what: object, name: str) -> Packed:
        # Bytes, not objects: arrays out of Ray's store are read-only, and code in C refuses them.
        for module in _own_modules(self._folder):
            self._ray.cloudpickle.register_pickle_by_value(module)
        try:
            packed = self._ray.cloudpickle.dumps(what)
        except Exception as error:  # whatever somebody's own class says to it
            raise UserError(
                f"--ray: {name} cannot be sent to another process ({type(error).__name__}:"
                f" {error}). Give its class a __getstate__ that leaves out what cannot travel"
                " (connections, locks), or run without --ray"
            ) from error
        reference: Packed = self._ray.put(packed)
        return reference

    def start(self) -> RayWorker:
        options = {"num_cpus": 1, "scheduling_strategy": "SPREAD", "max_restarts": 0}
        return RayWorker(self._ray, self._shard.options(**options).remote())


def _imported() -> ModuleType:
    # Ray counts its users over the network unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise UserError("--ray needs Ray: pip install 'focusgroup[ray]'") from error
    module: ModuleType = ray
    return module


def _connect(ray: ModuleType, place: Place) -> None:
    address = place.address
    if address == AUTO:
        address = os.environ.get("RAY_ADDRESS") or AUTO
    if address != LOCAL:
        try:
            if address != AUTO:
                _knock(address)  # Ray itself would try for minutes, and then end the process
            ray.init(address=address, **_QUIET)
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            if address != AUTO:
                raise UserError(
                    f"--ray {address}: no Ray cluster answers there ({_last_line(error)})."
                    " Expected host:port of its head, or ray://host:port of its client server;"
                    " `--ray local` starts one on this machine"
                ) from error
        else:
            return
    ray.init(
        address=LOCAL,
        num_cpus=place.actors or os.cpu_count(),
        object_store_memory=_OBJECT_STORE,
        include_dashboard=False,
        **_QUIET,
    )


def _knock(address: str) -> None:
    """Raises OSError where nobody listens, ValueError for what is no address."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()


def _room(ray: ModuleType, place: Place) -> int:
    """How many actors to use: as many as asked for, or as the cluster has processors."""
    processors = int(ray.cluster_resources().get("CPU", 0))
    if processors < (place.actors or 1):
        raise UserError(
            f"--actors {place.actors or 1}: the cluster has {processors} processors, and every"
            " actor needs one; ask for fewer actors or add machines"
        )
    return place.actors or processors


def _own_modules(folder: Path) -> list[ModuleType]:
    """Modules that lie beside the scenario, and so on no other machine."""
    return [
        module
        for name, module in list(sys.modules.items())
        if (file := getattr(module, "__file__", None)) is not None
        and name.partition(".")[0] not in ("focusgroup", "__main__")
        and "site-packages" not in file
        and Path(file).resolve().is_relative_to(folder)
    ]


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip()[:300]
