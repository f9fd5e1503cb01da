"""What the loop itself costs, with nothing to wait for: pages per second, and memory per user.

Each figure comes from a process of its own, on one core. `instant`: the loop, slates made
beforehand, a user that answers at once, sessions stored on disk. `live_recommender`: the same with
popularity and item_knn asked for every page. `behaviour_model`: the calibrated model alone, page
after page of visits with every arm, users' histories folded in as they come. `memory`: how much
more the peak is with many users than with few; histories are made when a session starts. Results
and a report's visits are worked out from tables of what was shown, in a figure of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from machine import Bar, print_json

from focusgroup.agents import BehaviourModel, StatisticalUser
from focusgroup.recommenders import make_recommender
from focusgroup.scenarios.certify.ground import lay_ground
from focusgroup.scenarios.datasets import load_dataset
from focusgroup.simulator import (
    Audience,
    Catalog,
    Click,
    Event,
    Interaction,
    Item,
    NextPage,
    Noise,
    ParquetStore,
    Recommender,
    RecRequest,
    Response,
    Rules,
    Simulation,
    Slate,
    Trainable,
    Turn,
    Visit,
)
from focusgroup.simulator.metrics.summary import summarise
from focusgroup.simulator.report import see

Result = dict[str, object]
BARS = {"instant": 10_000, "live_recommender": 3_000, "behaviour_model": 20_000}  # pages per second
BYTES_PER_USER, PEAK = 2048, 1e9
K, ARMS, BATCH = 10, 3, 256
HISTORY = 20  # events
WITH_RESULTS = "1 round and its results"
IDS = [f"i{n:04d}" for n in range(2000)]


class Precomputed:
    """Slates made beforehand, one for each page."""

    def __init__(self) -> None:
        self._slates = [Slate(tuple(IDS[n : n + K])) for n in range(0, len(IDS) - K, K)]

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        return [self._slates[int(r.context["page"])] for r in requests]


class Instant:
    """Clicks the first slot, without a thought."""

    async def respond(self, slate: Slate, visit: Visit) -> Response:
        return Response((Click(slate.item_ids[0]), NextPage()), 0.5)


def history(user_id: str) -> tuple[Interaction, ...]:
    """Events of a user, made when they are asked for; none with an item of the first pages."""
    rng = random.Random(user_id)
    return tuple(Interaction(IDS[rng.randrange(200, 2000)], Event.CLICK) for _ in range(HISTORY))


def log_of(users: int) -> pd.DataFrame:
    """Events of other users, popular items first."""
    rng = np.random.default_rng(0)
    items = np.minimum(rng.geometric(1 / 300, size=users * 50), len(IDS)) - 1
    return pd.DataFrame(
        {
            "user_id": [f"t{n // 50}" for n in range(users * 50)],
            "item_id": [IDS[item] for item in items],
            "event": "click",
            "value": 1.0,
            "positive": True,
            "timestamp": np.arange(users * 50, dtype=np.float64),
        }
    ).drop_duplicates(["user_id", "item_id"])


def simulated(
    arms: dict[str, Recommender],
    users: int,
    pages: int,
    *,
    rounds: int = 1,
    measured: bool = False,
) -> tuple[float, float]:
    """Seconds on the clock and of this process for a run whose sessions are stored on disk.

    Args:
        measured: whether its results are worked out afterwards, and a report's visits picked; that
            does not count.
    """
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(
            arms=arms,
            audiences=[Audience("all", Instant(), [f"u{n}" for n in range(users)], history)],
            catalog=Catalog({item_id: Item(item_id, item_id) for item_id in IDS}),
            rules=Rules(k=K, max_pages=pages),
            rounds=rounds,
            store=ParquetStore(Path(folder)),
        )
        wall, work = time.perf_counter(), time.process_time()
        asyncio.run(simulation.run())
        seconds = time.perf_counter() - wall, time.process_time() - work
        stored = simulation.store.count()
        if measured:
            scan, catalog = simulation.store.scan, simulation.catalog
            summarise(scan(), catalog=catalog, primary="click_rate", seed=0)
            see(scan())
    if stored != users * len(arms) * rounds:
        raise RuntimeError(f"{stored} sessions stored")
    return seconds


def rate(pages: int, seconds: tuple[float, float]) -> Result:
    """Pages per second on the clock; and of the processor, where a machine is shared."""
    wall, work = seconds
    return {
        "pages": pages,
        "seconds": round(wall, 2),
        "pages_per_s": round(pages / wall),
        "pages_per_cpu_s": round(pages / work),
    }


def instant(users: int) -> Result:
    """The loop alone."""
    simulated({"precomputed": Precomputed()}, 100, 10)
    return rate(users * 10, simulated({"precomputed": Precomputed()}, users, 10))


def live_recommender(users: int) -> Result:
    """The loop with recommenders that are asked for every page; they are fitted beforehand."""
    log = log_of(500)
    found: dict[str, Result] = {}
    for names in (("popularity",), ("item_knn",), ("popularity", "item_knn")):
        arms = {name: make_recommender(name) for name in names}
        for arm in arms.values():
            if isinstance(arm, Trainable):
                arm.fit(log)
        pages = users * 10 * len(arms)
        found[" + ".join(names)] = rate(pages, simulated(arms, users, 10))
    return {**found["popularity + item_knn"], "each": found}


def behaviour_model(data: str) -> Result:
    """The behaviour model alone: visits of five pages in each of three arms."""
    ground = lay_ground(load_dataset(data, None), seed=0)
    rng = random.Random(0)
    ids = list(ground.catalog)
    slates = [Slate(tuple(rng.sample(ids, K))) for _ in range(500)]
    gc.freeze()  # as a round does
    walk(ground.behaviour, ground.histories, ground.catalog, ground.test[:50], slates)
    return {
        "users": len(ground.test),
        "events_per_user": round(
            sum(len(ground.histories(u)) for u in ground.test) / len(ground.test)
        ),
        **walk(ground.behaviour, ground.histories, ground.catalog, ground.test, slates),
    }


def walk(
    model: BehaviourModel,
    histories: Callable[[str], Sequence[Interaction]],
    catalog: Catalog,
    users: Sequence[str],
    slates: Sequence[Slate],
) -> Result:
    """Answer visits of five pages, all arms of a user together, as the desk asks."""
    agent = StatisticalUser(model, histories)
    visits = [(user, str(arm)) for user in users for arm in range(ARMS)]
    pages, wall, work = 0, 0.0, 0.0
    for first in range(0, len(visits), BATCH):
        batch = visits[first : first + BATCH]
        turns: list[tuple[Turn, ...]] = [() for _ in batch]
        noise = [Noise(0, user, 0) for user, _ in batch]
        for page in range(5):
            shown = [slates[(first + 7 * n + 13 * page) % len(slates)] for n in range(len(batch))]
            asked = [
                Visit(user, arm, 0, page, (), turns[n], catalog, noise[n])
                for n, (user, arm) in enumerate(batch)
            ]
            wall, work = wall - time.perf_counter(), work - time.process_time()
            answers = agent.respond_many(shown, asked)
            wall, work = wall + time.perf_counter(), work + time.process_time()
            pages += len(answers)
            turns = [
                (*before, Turn(page, slate, answer))
                for before, slate, answer in zip(turns, shown, answers, strict=True)
            ]
    return rate(pages, (wall, work))


def peak(users: int, rounds: int, measured: bool) -> Result:
    """Peak resident memory of a run, in bytes."""
    simulated({"precomputed": Precomputed()}, users, 3, rounds=rounds, measured=measured)
    return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def memory(users: int) -> dict[str, dict[str, int]]:
    """Growth of the peak from a hundredth of the users to all of them."""
    found: dict[str, dict[str, int]] = {}
    for name, rounds, measured in (
        ("1 round", 1, False),
        ("2 rounds", 2, False),
        (WITH_RESULTS, 1, True),
    ):
        few, many = (
            int(str(alone("peak", n, rounds, int(measured))["bytes"]))
            for n in (users // 100, users)
        )
        found[name] = {
            "users": users,
            "bytes_per_user": round((many - few) / (users - users // 100)),
            "peak_bytes": many,
            "peak_bytes_of_few": few,
        }
    return found


def alone(*part: object) -> Result:
    """A part in a process of its own, on one core and one thread."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    command = [sys.executable, __file__, "--part", *map(str, part)]
    ended = subprocess.run(
        command, env={**os.environ, **threads}, stdout=subprocess.PIPE, text=True, check=True
    )
    result: Result = json.loads(ended.stdout)
    return result


def part_of(name: str, *arguments: str) -> Result:
    """What `alone` asked for."""
    if name == "behaviour_model":
        return behaviour_model(arguments[0])
    if name == "peak":
        return peak(int(arguments[0]), int(arguments[1]), bool(int(arguments[2])))
    return {"instant": instant, "live_recommender": live_recommender}[name](int(arguments[0]))


def speed(what: str, name: str, result: Result) -> Bar:
    """The bar in pages per second that a result is held to."""
    return Bar(what, float(str(result["pages_per_s"])), ">=", BARS[name], "pages/s")


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="(the only format there is)")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--many", type=int, default=100_000, help="users where memory is measured")
    parser.add_argument("--data", nargs="+", default=["movies", "groceries"])
    parser.add_argument("--only", nargs="+", choices=[*BARS, "memory"], default=[*BARS, "memory"])
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        print(json.dumps(part_of(*options.part)))
        return
    results: Result = {}
    bars: list[Bar] = []
    for name, what in (
        ("instant", "loop: instant model, precomputed slates, stored"),
        ("live_recommender", "loop: popularity and item_knn asked live"),
    ):
        if name in options.only:
            results[name] = found = alone(name, options.users)
            bars.append(speed(what, name, found))
    if "behaviour_model" in options.only:
        each = {data: alone("behaviour_model", data) for data in options.data}
        slowest = min((float(str(r["pages_per_s"])), name) for name, r in each.items())[1]
        results["behaviour_model"] = {**each[slowest], "slowest": slowest, "each": each}
        for data, found in each.items():
            bars.append(speed(f"behaviour model alone, {data}", "behaviour_model", found))
    if "memory" in options.only:
        runs = memory(options.many)
        loop = {name: run for name, run in runs.items() if name != WITH_RESULTS}
        worst = max(loop.values(), key=lambda run: run["bytes_per_user"])
        results["memory"] = {**worst, "each": runs}
        for name, run in runs.items():
            of = f"{options.many:,} users, {name}"
            if name in loop:
                each = run["bytes_per_user"]
                bars.append(Bar(f"memory a user, {of}", each, "<=", BYTES_PER_USER, "bytes"))
            bars.append(Bar(f"peak memory, {of}", run["peak_bytes"], "<=", PEAK, "bytes"))
    print_json(results, bars)


if __name__ == "__main__":
    main()
