"""The client of OpenAI-compatible servers, over real HTTP to a server in another process."""

from __future__ import annotations

import asyncio
import json
import socket
import traceback
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from focusgroup.agents.llm import Capabilities, TransportError, TransportKind, Usage
from focusgroup.agents.llm.server.openai import OpenAILLM
from focusgroup.agents.llm.server.wire import REPLY_LIMIT, Answer, proxy_of, retry_after
from focusgroup.simulator.errors import UserError

SCHEMA = {
    "type": "object",
    "properties": {
        "picks": {"type": "array", "maxItems": 3, "items": {"type": "integer", "maximum": 5}},
        "stay": {"type": "boolean"},
    },
    "required": ["picks", "stay"],
    "additionalProperties": False,
}
KEY = "sk-very-secret-7f3a"


def run(model: OpenAILLM, work: Coroutine[Any, Any, Any]) -> Any:
    """The result of `work`, with the client closed in the same event loop."""

    async def main() -> Any:
        async with model:
            return await work

    return asyncio.run(main())


def test_a_reply_carries_text_usage_and_the_first_tokens_alternatives(server, model, request_one):
    asked = replace(request_one, max_tokens=1, top_logprobs=5)
    reply = run(model, model.complete(asked))
    assert reply.text in ("yes", "no")
    assert reply.finish_reason == "stop"
    assert reply.usage == Usage(prompt=5, completion=1, cached=2)
    assert reply.latency > 0
    tokens = [token for token, _ in reply.logprobs]
    values = [value for _, value in reply.logprobs]
    assert set(tokens) == {"yes", "no", "Yes", "maybe"}, "a masked token is no alternative"
    assert values == sorted(values, reverse=True)
    assert max(values) <= 0


def test_the_server_is_sent_what_the_request_says(server, model, request_one):
    asked = replace(request_one, schema=SCHEMA, max_tokens=77, temperature=0.5, seed=2**62 + 5)

    async def work():
        return await model.complete(asked), await model.complete(request_one)

    reply, _ = run(model, work())
    assert set(json.loads(reply.text)) == {"picks", "stay"}
    sampled, greedy = server.seen()[-2:]
    assert sampled["model"] == "demo-model"
    assert sampled["messages"][0] == {"role": "system", "content": "You are Ana."}
    assert (sampled["max_tokens"], sampled["temperature"], sampled["seed"]) == (77, 0.5, 5)
    assert sampled["response_format"]["json_schema"]["schema"] == SCHEMA
    assert "seed" not in greedy, "a seed means nothing at temperature 0"


@pytest.mark.parametrize(
    ("order", "kind", "said"),
    [
        ("status:500", TransportKind.STATUS, "status 500"),
        ("status:429", TransportKind.BUSY, "status 429"),
        ("status:400", TransportKind.STATUS, "told to fail"),
        ("close", TransportKind.DROPPED, "127.0.0.1"),
        ("half", TransportKind.DROPPED, "127.0.0.1"),
        ("html", TransportKind.MALFORMED, "Gateway"),
        ("no_choices", TransportKind.MALFORMED, "no chat completion"),
    ],
)
def test_no_answer_is_an_error_of_its_kind_and_nothing_is_asked_twice(
    server, model, request_one, order, kind, said
):
    server.order(order)
    before = len(server.seen())
    with pytest.raises(TransportError, match=said) as caught:
        run(model, model.complete(request_one))
    assert caught.value.kind is kind
    assert caught.value.retry_after == (0.01 if order.startswith("status") else None)
    assert len(server.seen()) == before + 1


def test_a_server_that_hangs_is_given_up(server, request_one):
    model = OpenAILLM("demo-model", server.url, timeout=0.2)
    server.order("hang:2")
    with pytest.raises(TransportError) as caught:
        run(model, model.complete(request_one))
    assert caught.value.kind is TransportKind.TIMEOUT


@pytest.mark.parametrize(
    ("kind", "text", "finish"),
    [("empty", "", "stop"), ("null", "", "stop"), ("cut", None, "length"), ("think", None, "stop")],
)
def test_malformed_replies_are_handed_over_as_they_are(
    server, model, request_one, kind, text, finish
):
    server.order(kind)
    reply = run(model, model.complete(replace(request_one, schema=SCHEMA)))
    assert reply.finish_reason == finish
    if text is not None:
        assert reply.text == text
    else:
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(reply.text)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), Capabilities(json_schema=True, logprobs=True)),
        (("--no-models",), Capabilities(json_schema=True, logprobs=True)),
        (("--no-logprobs",), Capabilities(json_schema=True, logprobs=False)),
        (("--refuse-logprobs", "--no-schema"), Capabilities(json_schema=False, logprobs=False)),
        (("--refuse-schema",), Capabilities(json_schema=False, logprobs=True)),
        (("--newer-limit",), Capabilities(json_schema=True, logprobs=False)),
    ],
)
def test_capabilities_are_probed_once(start_server, request_one, options, found):
    with start_server(*options) as server:
        model = OpenAILLM("demo-model", server.url)

        async def work():
            first = await asyncio.gather(model.capabilities(), model.capabilities())
            calls = len(server.seen())
            assert calls <= 4
            reply = await model.complete(replace(request_one, schema=SCHEMA))
            assert len(server.seen()) == calls + 1
            return first, reply

        (one, other), reply = run(model, work())
        assert one == other == found
        assert reply.text, "a server without schemas is asked without one"


def test_an_unknown_model_is_an_error_that_names_the_nearest(start_server):
    with start_server("--model", "Qwen/Qwen2.5-7B", "--model", "other") as server:
        model = OpenAILLM("Qwen/Qwen2.5-7b", server.url)
        with pytest.raises(UserError, match=r"Did you mean 'Qwen/Qwen2\.5-7B'\?"):
            run(model, model.capabilities())


def test_a_server_that_is_down_is_an_error_that_names_the_url():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        model = OpenAILLM("demo-model", url)
        with pytest.raises(UserError, match=f"{url}.*vllm serve demo-model.*--llm"):
            run(model, model.capabilities())


def test_a_url_without_v1_is_an_error_that_says_so(server):
    model = OpenAILLM("demo-model", server.origin)
    with pytest.raises(UserError, match=r"demo-model|/v1"):
        run(model, model.capabilities())


def test_the_key_is_sent_and_never_shown(start_server, monkeypatch, request_one):
    with start_server("--key", KEY) as server:
        monkeypatch.setenv("MY_KEY", KEY)
        model = OpenAILLM("demo-model", server.url, key_variable="MY_KEY")

        async def work():
            assert await model.capabilities()
            failures = []
            for kind in ("echo_key", "status:500", "close", "html"):
                server.order(kind)
                try:
                    await model.complete(request_one)
                except (UserError, TransportError) as error:
                    failures.append(error)
            return failures

        failures = run(model, work())
        assert len(failures) == 4
        for error in failures:
            assert KEY not in "".join(traceback.format_exception(error))
        assert KEY not in f"{model!r} {model.fingerprint} {model.url}"


def test_a_refused_key_is_an_error_that_names_the_variable(start_server, monkeypatch):
    with start_server("--key", "another") as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        model = OpenAILLM("demo-model", server.url)
        with pytest.raises(UserError, match="OPENAI_API_KEY") as caught:
            run(model, model.capabilities())
        assert KEY not in "".join(traceback.format_exception(caught.value))


def test_openai_itself_needs_a_key_and_other_servers_none(server, monkeypatch, request_one):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError, match="set OPENAI_API_KEY"):
        OpenAILLM("gpt-4.1-mini")
    model = OpenAILLM("demo-model", server.url)
    assert run(model, model.complete(request_one)).text


@pytest.mark.parametrize(
    "url",
    [
        "http://me:pass@host/v1",
        "http://host/v1?key=pass@",
        "ftp://host/v1",
        "http://",
        "http://[x/",
        "http://host:pass@x/v1",
        "http://host:99999/v1",
    ],
)
def test_a_bad_url_is_an_error_that_shows_no_password(url):
    with pytest.raises(UserError, match=r"URL") as caught:
        OpenAILLM("m", url)
    assert "pass@" not in str(caught.value)


def test_the_fingerprint_is_the_model_and_never_the_url(server):
    assert OpenAILLM("a/b", server.url).fingerprint == "a/b"
    assert OpenAILLM("a/b", "http://x:1/v1", revision="r2").fingerprint == "a/b@r2"


def test_many_requests_at_once(server, model, request_one):
    asked = [replace(request_one, replicate=n) for n in range(20)]

    async def work():
        return await asyncio.gather(*(model.complete(one) for one in asked))

    assert len({reply.text for reply in run(model, work())}) == 1


def test_a_redirect_is_not_followed_and_says_what_to_do(server, monkeypatch):
    model = OpenAILLM("demo-model", server.url)

    async def moved(path):
        return Answer(308, b"moved")

    monkeypatch.setattr(model._wire, "get", moved)
    with pytest.raises(UserError, match="redirect"):
        run(model, model.capabilities())


def test_a_reply_beyond_the_limit_is_cut_off(raw_server, request_one):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {REPLY_LIMIT * 100}\r\n\r\n".encode()
    with raw_server(head, endless=True) as (url, raw):
        model = OpenAILLM("m", url, timeout=30)
        with pytest.raises(TransportError, match="more than 10 MB") as caught:
            run(model, model.complete(request_one))
        assert caught.value.kind is TransportKind.TOO_LARGE
    assert raw.sent < 3 * REPLY_LIMIT, "the rest is never read"


def test_a_refused_connection_is_told_from_a_dropped_one(request_one):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        model = OpenAILLM("m", f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        with pytest.raises(TransportError) as caught:
            run(model, model.complete(request_one))
    assert caught.value.kind is TransportKind.REFUSED


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after-ms": "soon", "Retry-After": "2"}, 2.0),
        (
            {
                "Retry-After": "Sun, 22 Nov 2026 10:00:07 GMT",
                "Date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            7.0,
        ),
        ({"Retry-After": "Sun, 22 Nov 2026 10:00:07 GMT"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "-1"}, None),
        ({}, None),
    ],
)
def test_what_a_server_asks_for_in_headers(headers, seconds):
    assert retry_after(headers) == seconds


def test_the_proxy_of_the_environment_is_used(server, monkeypatch, request_one, start_server):
    monkeypatch.setenv("HTTP_PROXY", server.origin)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert proxy_of("http://far.away/v1") == server.origin
    monkeypatch.setenv("NO_PROXY", "far.away")
    assert proxy_of("http://far.away/v1") is None
    monkeypatch.delenv("NO_PROXY")
    model = OpenAILLM("demo-model", "http://far.away/v1")
    # The fake server knows no absolute paths, which is what a proxy is sent.
    with pytest.raises(UserError, match="404"):
        run(model, model.complete(request_one))


def test_a_proxy_that_does_not_speak_http_is_an_error(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:pass@host:1080")
    with pytest.raises(UserError, match="socks5 proxy") as caught:
        proxy_of("https://far.away/v1")
    assert "pass" not in str(caught.value)


def test_a_key_no_header_can_hold_is_an_error_that_does_not_show_it(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", "line\nbreak")
    with pytest.raises(UserError, match="MY_KEY") as caught:
        OpenAILLM("m", server.url, key_variable="MY_KEY")
    assert "break" not in str(caught.value)
