"""Servers by name, several of them, and nothing secret in any message."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from focusgroup.agents.llm import (
    Capabilities,
    CompletionRequest,
    LLMOptions,
    Message,
    TransportError,
    TransportKind,
    open_llm,
    parse_llm,
)
from focusgroup.agents.llm.server.fleet import Fleet
from focusgroup.agents.llm.server.servers import split_target
from focusgroup.simulator.errors import UserError

SECRET = "hunter2"


def ask_of(person: int, page: int = 0) -> CompletionRequest:
    return CompletionRequest((Message("system", f"person {person}"), Message("user", f"{page}")))


@pytest.mark.parametrize(
    ("target", "model", "urls"),
    [
        ("gpt-4.1", "gpt-4.1", ()),
        ("Qwen/Q-7B@http://localhost:8000/v1", "Qwen/Q-7B", ("http://localhost:8000/v1",)),
        ("@cf/meta/llama@https://api.x.com/v1", "@cf/meta/llama", ("https://api.x.com/v1",)),
        ("@cf/meta/llama-3", "@cf/meta/llama-3", ()),
        ("org/name@rev2", "org/name@rev2", ()),
        ("llama3:8b@http://x:1/v1", "llama3:8b", ("http://x:1/v1",)),
        ("m@http://a:1/v1,http://b:1/v1", "m", ("http://a:1/v1", "http://b:1/v1")),
        ("m@http://a:1/v1, https://b/v1", "m", ("http://a:1/v1", "https://b/v1")),
    ],
)
def test_the_target_splits_at_the_at_before_the_first_url(target, model, urls):
    assert split_target(target) == (model, urls)


@pytest.mark.parametrize(
    "target",
    ["", "m@localhost:8000/v1", "@http://localhost/v1", "m@host:1", "http://localhost:8000/v1"],
)
def test_a_malformed_target_is_an_error_with_an_example(target):
    with pytest.raises(UserError, match="write openai:"):
        split_target(target)


@pytest.mark.parametrize("target", ["m@http://a/v1,", "m@http://a/v1,b:8000/v1", "m@ftp://a/v1"])
def test_each_url_of_a_list_must_be_one(target):
    with pytest.raises(UserError, match="http://HOST:PORT/v1"):
        split_target(target)


def test_a_server_is_named_once():
    with pytest.raises(UserError, match="named twice"):
        split_target("m@http://a/v1,http://a/v1")


@pytest.mark.parametrize(
    "text",
    [
        f"openai:m@http://user:{SECRET}@host/v1",
        f"openai:m@http://{SECRET}@host/v1",
        f"openai:m@http://host/v1?key={SECRET}",
        f"openai:m@http://host/v1#{SECRET}",
        f"openai:m@http://a/v1,http://user:{SECRET}@host/v1",
        f"openai:m@http://a/v1,user:{SECRET}@host/v1",
        f"openai:m@user:{SECRET}@host/v1",
        f"openai:m@user:{SECRET}@host:8000/v1",
        f"openai:m@user:{SECRET}@localhost/v1?key={SECRET}",
        f"openai:http://user:{SECRET}@host/v1",
        f"openai:@http://user:{SECRET}@host/v1",
        f"openai:m@http://user:{SECRET}@[x/v1",
        f"openai:m@http://host:{SECRET}/v1",
        f"openia:m@http://user:{SECRET}@host/v1",
        f"http://user:{SECRET}@host/v1",
    ],
)
def test_a_secret_in_a_url_is_refused_and_never_repeated(text):
    with pytest.raises(UserError) as caught:
        spec = parse_llm(text)
        assert spec is not None
        open_llm(spec, LLMOptions())
    shown = [caught.value, caught.value.__cause__]
    assert not any(SECRET in str(error) for error in shown)


def fleet_of(clock, served, count, answer=lambda request, now: (0.1, "yes"), **more):
    servers = [served(clock, answer, url=f"http://s{n}/v1", **more) for n in range(count)]
    return Fleet("m", servers, clock=clock), servers


def homes(servers):
    """Which servers each person was sent to."""
    found = {}
    for number, server in enumerate(servers):
        for _, request in server.asked:
            found.setdefault(request.messages[0].content, Counter())[number] += 1
    return found


def test_a_person_keeps_to_one_server_and_people_are_spread(in_no_time, served):
    async def main(clock):
        fleet, servers = fleet_of(clock, served, 3)
        await asyncio.gather(*(fleet.complete(ask_of(n, p)) for n in range(300) for p in range(4)))
        return homes(servers)

    found = in_no_time(main)
    assert all(len(where) == 1 for where in found.values())
    people = Counter(next(iter(where)) for where in found.values())
    assert all(70 < people[n] < 130 for n in range(3))


def test_where_a_server_is_away_its_people_go_to_the_others_and_come_back(in_no_time, served):
    async def main(clock):
        fleet, servers = fleet_of(clock, served, 3)

        async def look():
            for server in servers:
                server.asked.clear()
            replies = await asyncio.gather(*(fleet.complete(ask_of(n)) for n in range(90)))
            assert len(replies) == 90
            return homes(servers)

        before = await look()

        def refuse(request, now):
            raise TransportError("refused", TransportKind.REFUSED)

        answer, servers[1]._answer = servers[1]._answer, refuse
        await look()
        during = await look()
        tried = len(servers[1].asked)
        servers[1]._answer = answer
        await asyncio.sleep(300)
        await fleet.complete(ask_of(0))
        for n in range(90):
            await fleet.complete(ask_of(n))
        return before, during, tried, await look()

    before, during, tried, after = in_no_time(main)
    assert tried == 0, "known to be away, it is left alone for a while"
    moved = {who for who in before if before[who].keys() != during[who].keys()}
    assert moved == {who for who in before if 1 in before[who]}
    assert len({next(iter(during[who])) for who in moved}) == 2, "spread over both others"
    assert after == before


def test_one_dropped_call_does_not_take_a_server_out(in_no_time, served):
    async def main(clock):
        fleet, servers = fleet_of(clock, served, 2)
        fails = iter([True] + [False] * 100)

        def answer(request, now):
            if next(fails):
                raise TransportError("cut", TransportKind.DROPPED)
            return 0.1, "yes"

        for server in servers:
            server._answer = answer
        with pytest.raises(TransportError):
            await fleet.complete(ask_of(1))
        for page in range(5):
            await fleet.complete(ask_of(1, page))
        return homes(servers)

    assert all(len(where) == 1 for where in in_no_time(main).values())


def test_a_fleet_can_do_what_all_its_servers_can(in_no_time, served):
    async def main(clock):
        able = iter([Capabilities(True, True), Capabilities(True, False)])
        fleet, _ = fleet_of(clock, served, 2, able=lambda: next(able))
        return await fleet.capabilities()

    assert in_no_time(main) == Capabilities(json_schema=True, logprobs=False)


def test_two_real_servers_one_of_which_dies(start_server):
    async def main():
        with start_server("--delay", "0.01") as one, start_server("--delay", "0.01") as other:
            spec = parse_llm(f"openai:demo-model@{one.url},{other.url}")
            assert spec is not None
            model = open_llm(spec, LLMOptions(patience=20))
            assert model.fingerprint == "demo-model"
            assert await model.capabilities() == Capabilities(True, True)

            async def visit(person):
                return [(await model.complete(ask_of(person, p))).text for p in range(15)]

            visits = [asyncio.create_task(visit(n)) for n in range(12)]
            await asyncio.sleep(0.1)
            asked = len(one.seen())
            one.stop()
            texts = await asyncio.gather(*visits)
            await model.aclose()
            return asked, len(other.seen()), texts

    asked, taken_over, texts = asyncio.run(main())
    assert asked > 3
    assert taken_over > 12 * 15 / 2
    assert all(set(said) <= {"yes", "no"} for said in texts)


def test_one_server_of_a_list_may_be_down_at_the_start_but_not_all(server):
    async def probe(urls):
        model = open_llm(parse_llm(f"openai:demo-model@{urls}"), LLMOptions())
        try:
            await model.capabilities()
            return (await model.complete(ask_of(0))).text
        finally:
            await model.aclose()

    assert asyncio.run(probe(f"http://127.0.0.1:1/v1,{server.url}")) in ("yes", "no")
    with pytest.raises(UserError, match="no language model answers"):
        asyncio.run(probe("http://127.0.0.1:1/v1,http://127.0.0.1:2/v1"))


def test_a_server_of_a_list_that_serves_another_model_is_an_error(server, start_server):
    with start_server("--model", "other-model") as wrong:
        model = open_llm(parse_llm(f"openai:demo-model@{server.url},{wrong.url}"), LLMOptions())

        async def probe():
            try:
                await model.capabilities()
            finally:
                await model.aclose()

        with pytest.raises(UserError, match=f"{wrong.url} has no model 'demo-model'"):
            asyncio.run(probe())
