"""What barriers cost: the same visits, the same calls, under four schedules.

1,000 users meet two recommenders, a visit each. Every schedule is really run, over HTTP, against a
server in another process whose delays and replies are drawn by the bytes of each request: the same
page of the same person takes the same time and ends the same way under all of them.

    constant     every call takes 50 ms; users leave after a page with probability 0.1. Ours (the
                 whole simulation: loop, prompts, journal, pace, sessions stored) beside one call
                 per item, one after the other, which is timed on a few pages and given as a rate.
    log_normal   median 50 ms, sigma 1; users leave after a page with probability 0.25. Ours beside
                 a barrier after each page over all users, and beside cohorts of 64 in lock-step:
                 64 visits start together, each page waits for the slowest, the next cohort starts
                 when all have ended. The barriers' schedules are given 64 places from the start and
                 store nothing; ours has to find out how many the server bears.

    python benchmarks/barriers.py --json
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import cinema
from instant_server import MODEL, load, pin, serving
from machine import Bar, print_json

from focusgroup.agents import LLMUser
from focusgroup.agents.llm import (
    CompletionRequest,
    Journal,
    Line,
    LLMOptions,
    parse_llm,
)
from focusgroup.agents.llm.server.openai import OpenAILLM
from focusgroup.agents.memory import remember
from focusgroup.simulator import (
    Audience,
    Catalog,
    Leave,
    ParquetStore,
    RecRequest,
    Rules,
    Simulation,
    Slate,
    Turn,
    Visit,
)
from focusgroup.simulator.noise import Noise

PLACES = 64
MAX_PAGES = 10
ARMS = 2  # what a comparison has at least


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="(the only format there is)")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--delay", type=float, default=0.05, help="seconds a call, median")
    parser.add_argument("--sequential-pages", type=int, default=10)
    options = parser.parse_args()
    pin(0)
    constant = _constant(options.users, options.delay, options.sequential_pages)
    log_normal = _log_normal(options.users, options.delay)
    barrier, cohorts = log_normal["page_barrier"]["speedup"], log_normal["cohorts"]["speedup"]
    bars = [
        Bar("faster than one call an item, in turn", constant["speedup"], ">=", 500, "times"),
        Bar("faster than a barrier after each page", barrier, ">=", 1.25, "times"),
        Bar("faster than cohorts of 64 in lock-step", cohorts, ">=", 4, "times"),
        Bar("slots busy, log-normal latency", log_normal["ours"]["busy"], ">=", 0.75, "of 64"),
    ]
    print_json(
        {
            "constant": constant,
            "log_normal": log_normal,
            "setting": "client on core 0, server in another process on core 1; made-up films",
        },
        bars,
    )


def _constant(users: int, delay: float, sequential_pages: int) -> dict[str, float]:
    with serving(delay=delay, leaving=0.1, core=1) as origin:
        ours = _ours(origin, users)
        slow = asyncio.run(_one_call_per_item(origin, sequential_pages))
    return {
        "pages": ours["pages"],
        "pages_per_s": ours["pages_per_s"],
        "busy": ours["busy"],
        "client_cpu_ms_per_page": ours["client_cpu_ms_per_page"],
        "one_call_per_item_pages": sequential_pages,
        "one_call_per_item_pages_per_s": slow,
        "speedup": ours["pages_per_s"] / slow,
    }


def _log_normal(users: int, delay: float) -> dict[str, dict[str, float]]:
    with serving(delay=delay, sigma=1.0, leaving=0.25, core=1) as origin:
        found = {"ours": _ours(origin, users)}
        for name, schedule in (("page_barrier", _page_barrier), ("cohorts", _cohorts)):
            found[name] = asyncio.run(_barred(origin, users, schedule))
            found[name]["speedup"] = found[name]["seconds"] / found["ours"]["seconds"]
    pages = {name: one["pages"] for name, one in found.items()}
    if len(set(pages.values())) > 1:
        raise SystemExit(f"the schedules did not walk through the same pages: {pages}")
    return found


def _ours(origin: str, users: int) -> dict[str, float]:
    """The simulation as a run has it, journal and stored sessions included."""
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "j.sqlite") as journal:
        return asyncio.run(_simulated(origin, users, journal, Path(folder)))


async def _simulated(origin: str, users: int, journal: Journal, folder: Path) -> dict[str, float]:
    films = cinema.catalog()
    spec = parse_llm(f"openai:{MODEL}@{origin}/v1")
    assert spec is not None
    llm = Line(journal, options=LLMOptions(concurrency=PLACES)).open(spec)
    await llm.capabilities()
    audience = cinema.audience(llm, films, users, 2 * PLACES)
    store = ParquetStore(folder)
    simulation = Simulation(
        arms=_arms(films),
        audiences=[audience],
        catalog=films,
        rules=Rules(k=10, max_pages=MAX_PAGES),
        concurrency=2 * PLACES,
        store=store,
    )
    before, begun, used = load(origin), time.perf_counter(), time.process_time()
    await simulation.run()
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    await llm.aclose()
    after = load(origin)
    pages = sum(len(session.turns) for session in store.sessions())
    assert pages == after["calls"] - before["calls"]
    return _figures(pages, seconds, used, after["seconds"] - before["seconds"])


def _figures(pages: int, seconds: float, used: float, in_calls: float) -> dict[str, float]:
    return {
        "pages": pages,
        "seconds": seconds,
        "pages_per_s": pages / seconds,
        "client_cpu_ms_per_page": 1000 * used / pages,
        # Seconds that calls spent at the server, of all the seconds its places could have given.
        "busy": in_calls / (PLACES * seconds),
    }


class _Visitor:
    """A user who is walked through a visit page by page, by whoever holds the schedule."""

    def __init__(
        self, user_id: str, audience: Audience, films: Catalog, pages: cinema.Pages
    ) -> None:
        assert isinstance(audience.agent, LLMUser)
        self._user_id, self._agent, self._films, self._pages = user_id, audience.agent, films, pages
        self._noise = Noise(0, user_id, 0)
        self.turns: list[Turn] = []
        self.left = False

    async def see_page(self) -> None:
        page = len(self.turns)
        slate = self._slate(page)
        visit = Visit(
            self._user_id, "pages", 0, page, (), tuple(self.turns), self._films, self._noise
        )
        response = await self._agent.respond(slate, visit)
        self.turns.append(Turn(page, slate, response))
        self.left = isinstance(response.actions[-1], Leave) or len(self.turns) >= MAX_PAGES

    def _slate(self, page: int) -> Slate:
        request = RecRequest(self._user_id, 10, context={"page": str(page)})
        return self._pages.recommend([request])[0]


Schedule = Callable[[Sequence[_Visitor]], Awaitable[None]]


async def _barred(origin: str, users: int, schedule: Schedule) -> dict[str, float]:
    films = cinema.catalog()
    llm = _opened(origin)
    audience = cinema.audience(llm, films, users, PLACES)
    visitors = [
        _Visitor(user_id, audience, films, shown)
        for user_id in audience.user_ids
        for shown in _arms(films).values()
    ]
    before, begun, used = load(origin), time.perf_counter(), time.process_time()
    await schedule(visitors)
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    await llm.aclose()
    spent = load(origin)["seconds"] - before["seconds"]
    return _figures(sum(len(one.turns) for one in visitors), seconds, used, spent)


async def _page_barrier(visitors: Sequence[_Visitor]) -> None:
    places = asyncio.Semaphore(PLACES)

    async def page(visitor: _Visitor) -> None:
        async with places:
            await visitor.see_page()

    while present := [one for one in visitors if not one.left]:
        await asyncio.gather(*(page(one) for one in present))


async def _cohorts(visitors: Sequence[_Visitor]) -> None:
    for first in range(0, len(visitors), PLACES):
        cohort = visitors[first : first + PLACES]
        while present := [one for one in cohort if not one.left]:
            await asyncio.gather(*(one.see_page() for one in present))


async def _one_call_per_item(origin: str, pages: int) -> float:
    """Pages a second where each item is a call of its own, and the next waits for its answer."""
    films = cinema.catalog()
    llm = _opened(origin)
    shown = cinema.Pages(tuple(films))
    prompter = cinema.prompter()
    begun = time.perf_counter()
    for n in range(pages):
        user_id = f"u{n}"
        slate = shown.recommend([RecRequest(user_id, 10, context={"page": "0"})])[0]
        for slot in range(10):
            person = cinema.persona(user_id, films)
            messages = prompter.score(person, remember((), ()), slate, slot, films)
            await llm.complete(CompletionRequest(messages, max_tokens=1, top_logprobs=5))
    seconds = time.perf_counter() - begun
    await llm.aclose()
    return pages / seconds


def _arms(films: Catalog) -> dict[str, cinema.Pages]:
    return {f"arm {n}": cinema.Pages(tuple(films), shift=30 * n) for n in range(ARMS)}


def _opened(origin: str) -> OpenAILLM:
    """The server as it is, without a pace of ours."""
    return OpenAILLM(MODEL, f"{origin}/v1")


if __name__ == "__main__":
    main()
