"""What the client costs: pages a second and core, against an instant server in another process.

A page is asked as in a run with style `answer`: prompt written, request built, sent by the backend
`openai` with its pace and patience, reply read and checked. Beside it, the backend alone with a
request made beforehand, and a bare aiohttp loop that sends the same bytes and reads nothing.

    python benchmarks/http_client.py --json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import aiohttp
from cinema import Pages, catalog, persona, prompter
from instant_server import MODEL, pin, serving
from machine import Bar, print_json

from focusgroup.agents.answer import Answer
from focusgroup.agents.llm import CompletionRequest, LLMOptions, open_llm, parse_llm
from focusgroup.agents.llm.chat import chat_body
from focusgroup.agents.memory import remember
from focusgroup.agents.reply import answer_schema, answer_token_limit
from focusgroup.simulator import RecRequest
from focusgroup.simulator.noise import Noise
from focusgroup.simulator.protocols import Visit

BAR = 1000.0  # pages a second and core


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="(the only format there is)")
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    pin(0)
    with serving(core=1) as origin:
        results = asyncio.run(_measure(f"{origin}/v1", options.pages, options.concurrency))
    reached = results["pages"]["per_s"]
    print_json(
        {
            **results,
            "pages_per_s": reached,
            "setting": "client on core 0, instant server in another process on core 1",
        },
        [Bar("client: pages against an instant server, one core", reached, ">=", BAR, "pages/s")],
    )


async def _measure(url: str, count: int, at_once: int) -> dict[str, dict[str, float]]:
    films = catalog()
    users = [f"u{n}" for n in range(500)]
    slates = Pages(tuple(films)).recommend(
        [RecRequest(user, 10, context={"page": "0"}) for user in users]
    )
    people = [persona(user, films) for user in users]
    write, style = prompter(), Answer()
    spec = parse_llm(f"openai:{MODEL}@{url}")
    assert spec is not None
    llm = open_llm(spec, LLMOptions(concurrency=at_once))
    await llm.capabilities()

    async def page(n: int) -> None:
        n %= len(users)
        visit = Visit(users[n], "arm", 0, 0, (), (), films, Noise(0, users[n], 0))
        await style.ask(llm, write, people[n], remember((), ()), slates[n], visit)

    request = CompletionRequest(
        write.answer(people[0], remember((), ()), slates[0], tuple(range(10)), films),
        answer_schema(10, stars=True, buy=False),
        answer_token_limit(10),
    )

    async def backend(_: int) -> None:
        await llm.complete(request)

    body = json.dumps({**chat_body(request), "model": MODEL}).encode()
    results = {
        "pages": await _rate(page, count, at_once),
        "backend_alone": await _rate(backend, count, at_once),
    }
    await llm.aclose()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def bare(_: int) -> None:
            async with session.post(f"{url}/chat/completions", data=body) as reply:
                await reply.read()

        results["bare_aiohttp"] = await _rate(bare, count, at_once)
    return results


async def _rate(
    work: Callable[[int], Awaitable[None]], count: int, at_once: int
) -> dict[str, float]:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    for n in range(20):
        await work(n)  # connections opened, caches filled
    begun, used = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    return {"calls": count, "per_s": count / seconds, "per_cpu_s": count / used}


if __name__ == "__main__":
    main()
