"""When a server of a fleet counts as away, and who finds out whether it is back."""

from __future__ import annotations

import asyncio

from focusgroup.agents.llm import (
    Budget,
    BudgetedLLM,
    CompletionRequest,
    JournaledLLM,
    Message,
    Purse,
    ScriptedLLM,
    TransportError,
    TransportKind,
    servers_away,
)
from focusgroup.agents.llm.server.fleet import Fleet
from focusgroup.agents.llm.server.patience import PatientLLM


def ask_of(person: int, page: int = 0) -> CompletionRequest:
    return CompletionRequest((Message("system", f"person {person}"), Message("user", f"{page}")))


def two(clock, served, answer):
    """A fleet whose first server answers so; people who belong to that one."""
    servers = [served(clock, answer), served(clock, lambda request, now: (0.1, "yes"))]
    for number, server in enumerate(servers):
        server.url = f"http://{number}:8000/v1"
    return Fleet("m", servers, clock=clock), servers


async def people_of(fleet, first, second):
    """People whose calls go to the first server."""
    mine = []
    for person in range(40):
        before = len(first.asked)
        await fleet.complete(ask_of(person))
        mine += [person] if len(first.asked) > before else []
    first.asked.clear()
    second.asked.clear()
    return mine


def test_too_many_requests_do_not_take_a_server_out(in_no_time, served):
    """A server that is busy holds its people's prefixes; the pace slows down, nobody moves."""

    async def main(clock):
        busy = False

        def answer(request, now):
            if busy:
                raise TransportError("slow down", TransportKind.BUSY, status=429)
            return 0.1, "yes"

        fleet, (first, second) = two(clock, served, answer)
        mine = await people_of(fleet, first, second)
        busy = True
        asked = (fleet.complete(ask_of(person, 1)) for person in mine)
        await asyncio.gather(*asked, return_exceptions=True)
        busy = False
        first.asked.clear()
        await asyncio.gather(*(fleet.complete(ask_of(person, 2)) for person in mine))
        return len(mine), len(first.asked), len(second.asked)

    mine, stayed, moved = in_no_time(main)
    assert mine > 5
    assert (stayed, moved) == (mine, 0)


def test_one_call_finds_out_whether_a_server_is_back(in_no_time, served):
    async def main(clock):
        fleet, (first, second) = two(clock, served, lambda request, now: (0.1, "yes"))
        mine = await people_of(fleet, first, second)
        inner = first.complete

        async def late(request):
            await inner(request)
            raise TransportError("late", TransportKind.TIMEOUT)

        first.complete = late
        asked = (fleet.complete(ask_of(person, 1)) for person in mine[:3])
        await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.sleep(10)  # it may be tried again, and is still down
        first.asked.clear()
        asked = (fleet.complete(ask_of(person, 2)) for person in mine)
        await asyncio.gather(*asked, return_exceptions=True)
        return len(mine), len(first.asked)

    mine, tried = in_no_time(main)
    assert mine > 5
    assert tried == 1


def test_a_server_is_named_while_it_is_away_whatever_stands_before_it(
    in_no_time, served, journal
) -> None:
    async def main(clock):
        def answer(request, now):
            if request.messages[1].content == "2":
                raise TransportError("gone", TransportKind.REFUSED)
            return 0.1, "yes"

        fleet, (first, second) = two(clock, served, answer)
        model = JournaledLLM(BudgetedLLM(PatientLLM(fleet, clock=clock), Purse(Budget())), journal)
        person, *_ = await people_of(fleet, first, second)
        told = []
        for page in (1, 2, 3):
            await asyncio.sleep(10)
            await model.complete(ask_of(person, page))
            told.append(servers_away(model))
        return told

    assert in_no_time(main) == [(), ("http://0:8000/v1",), ()]


def test_a_model_that_is_not_on_servers_has_none_away(journal) -> None:
    assert servers_away(JournaledLLM(ScriptedLLM(lambda _: "yes"), journal)) == ()


def test_many_calls_that_are_refused_at_once_are_one_absence(in_no_time, served):
    """Else a server that was gone for a moment would be left alone for a minute."""

    async def main(clock):
        gone = False

        def answer(request, now):
            if gone:
                raise TransportError("gone", TransportKind.REFUSED)
            return 0.1, "yes"

        fleet, (first, second) = two(clock, served, answer)
        mine = await people_of(fleet, first, second)
        gone = True
        await asyncio.gather(*(fleet.complete(ask_of(person, 1)) for person in mine))
        assert fleet.away() == (first.url,)
        gone = False
        await asyncio.sleep(6)
        await asyncio.gather(*(fleet.complete(ask_of(person, 2)) for person in mine))
        return len(mine), fleet.away()

    mine, away = in_no_time(main)
    assert mine > 5
    assert away == ()


def test_while_all_servers_are_away_no_absence_grows(in_no_time, served):
    async def main(clock):
        gone = False

        def answer(request, now):
            if gone:
                raise TransportError("gone", TransportKind.REFUSED)
            return 0.1, "yes"

        fleet, servers = two(clock, served, answer)
        servers[1].complete = servers[0].complete
        gone = True
        for page in range(20):  # five seconds of trying in vain
            asked = (fleet.complete(ask_of(person, page)) for person in range(10))
            await asyncio.gather(*asked, return_exceptions=True)
            await asyncio.sleep(0.25)
        gone = False
        await fleet.ping(1.0)  # the first is found to be back
        assert fleet.away() == (servers[1].url,)
        await asyncio.sleep(10)
        await asyncio.gather(*(fleet.complete(ask_of(person)) for person in range(40)))
        return fleet.away()

    assert in_no_time(main) == ()
