"""Does a run over Ray actors scale? Pages a second by 1, 2 and 4 actors, one slow model server.

The server takes 200 ms for every answer, however many are asked at once, and each actor has 8 calls
out at most: so the most N actors can do is 40 N pages a second. All is real: actors, HTTP, the
journal and the parts on disk at the head. Sessions must be the same whatever the number of actors.

    python benchmarks/ray_scaling.py --users 400
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import tempfile
import time
from pathlib import Path

import cinema
from instant_server import MODEL, serving
from machine import Bar, print_json

from focusgroup.agents.llm import Journal, Line, LLMOptions, parse_llm
from focusgroup.scenarios.cluster.crew import Cluster, Crew
from focusgroup.scenarios.cluster.place import Place
from focusgroup.scenarios.cluster.ray_cluster import ray_cluster
from focusgroup.scenarios.cluster.relay import RelayLLM
from focusgroup.scenarios.cluster.shared_round import SharedRound, Spoken
from focusgroup.simulator import ParquetStore, Rules, Session, Simulation

ACTORS = (1, 2, 4)
CALLS = 8  # out at once from each actor
PAGES = 5
# Of what so many actors would do if nothing were lost.
LEAST = {2: 0.9, 4: 0.8}


async def measure(
    cluster: Cluster, url: str, users: int, folder: Path, delay: float
) -> tuple[dict[str, float], list[Session]]:
    """Pages a second once the actors are there, and how long it took until they were."""
    actors = cluster.actors
    name = f"openai:{MODEL}@{url}/v1"
    spec = parse_llm(name)
    assert spec is not None
    options = LLMOptions(concurrency=CALLS * actors)
    films = cinema.catalog()
    with Journal(folder / "journal.sqlite") as journal:
        llm = Line(journal, options=options, relay=RelayLLM).open(spec)
        everybody = cinema.audience(llm, films, users, 2 * CALLS * actors)
        crew = Crew(cluster)
        first = dataclasses.replace(
            everybody, name="first", user_ids=[f"u{users + n}" for n in range(actors)]
        )
        store = ParquetStore(folder / "sessions")
        models = {audience.name: Spoken(name, llm) for audience in (first, everybody)}
        try:
            seconds = []
            for audience in (first, everybody):
                simulation = Simulation(
                    arms={"pages": cinema.Pages(list(films))},
                    audiences=[audience],
                    catalog=films,
                    rules=Rules(max_pages=PAGES, exclude_history=False, exclude_shown=False),
                    concurrency=2 * CALLS * actors,
                    store=store,
                    run_round=SharedRound(crew, models, options),
                )
                started = time.perf_counter()
                await simulation.run()
                seconds.append(time.perf_counter() - started)
        finally:
            await crew.dismiss()
            await llm.aclose()
    sessions = store.sessions(audience=everybody.name)
    pages = sum(len(session.turns) for session in sessions)
    found = {
        "actors": actors,
        "pages": pages,
        "start_s": round(seconds[0], 2),
        "seconds": round(seconds[1], 2),
        "pages_per_s": round(pages / seconds[1], 1),
        "share_of_possible": round(pages / seconds[1] / (CALLS * actors / delay), 3),
    }
    return found, sessions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--delay", type=float, default=0.2, help="seconds an answer takes")
    parser.add_argument("--ray", default="local", help="address of a cluster")
    options = parser.parse_args()
    results: list[dict[str, float]] = []
    sessions: list[list[Session]] = []
    here = Path(__file__).resolve().parent
    with serving(delay=options.delay) as url:
        for actors in ACTORS:
            with (
                tempfile.TemporaryDirectory() as folder,
                ray_cluster(Place(options.ray, actors), here) as cluster,
            ):
                work = measure(cluster, url, options.users, Path(folder), options.delay)
                found, ran = asyncio.run(work)
            results.append(found)
            sessions.append(ran)
    alone = results[0]["pages_per_s"]
    for found in results:
        found["speed_up"] = round(found["pages_per_s"] / alone, 2)
    same = all(ran == sessions[0] for ran in sessions)
    bars = [
        Bar(
            f"speed-up by {found['actors']} actors",
            found["speed_up"],
            ">=",
            LEAST[int(found["actors"])] * found["actors"],
            "x",
        )
        for found in results
        if found["actors"] > 1
    ]
    bars.append(Bar("sessions the same for any number of actors", float(same), ">=", 1, "(yes)"))
    print_json({"delay_s": options.delay, "calls_an_actor": CALLS, "runs": results}, bars)


if __name__ == "__main__":
    main()
