"""A language-model server that can be told to misbehave: OpenAI chat completions over real HTTP.

It runs in a process of its own; start it with `running()`, or from a shell:

    python tests/fake_server.py --port 8000 --model demo-model

Left alone it answers every prompt in the same way each time: JSON that follows the schema it is
given, "yes" or "no" with log-probabilities, or a short sentence. `order(kind, times)` makes the
next `times` chat calls (None: all until `behave()`) go wrong in one of these ways:

    status:CODE   that HTTP status           empty      content ""
    hang:SECONDS  waits before it answers    null       content null, with reasoning_content
    close         drops the connection       cut        half of the text, finish_reason "length"
    half          drops it within the body   prose      a sentence where JSON was asked for
    html          a page of HTML             fenced     the right JSON in a Markdown fence
    no_choices    JSON that is no answer     think      the right JSON after a <think> block
    echo_key      401 that quotes the key    wrong      JSON that breaks the schema
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast


@dataclass(frozen=True)
class FakeServer:
    """A handle on a server in another process."""

    origin: str
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        """What to give as base_url."""
        return f"{self.origin}/v1"

    def order(self, kind: str, times: int | None = 1) -> None:
        """The next `times` chat calls go wrong this way, after those ordered before."""
        self._post("/orders", {"kind": kind, "times": times})

    def behave(self) -> None:
        """Forget all orders."""
        self._post("/orders", {"kind": "behave", "times": 0})

    def seen(self) -> list[dict[str, Any]]:
        """The bodies of all chat calls so far."""
        with urllib.request.urlopen(f"{self.origin}/seen", timeout=10) as reply:
            return cast(list[dict[str, Any]], json.load(reply))

    def stop(self) -> None:
        """End the process: from now on nobody answers at this address."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _post(self, path: str, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        urllib.request.urlopen(f"{self.origin}{path}", data=data, timeout=10).close()


@contextmanager
def running(*options: str) -> Iterator[FakeServer]:
    """A server process with these command line options, ended at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    server = FakeServer(process.stdout.readline().strip(), process)
    try:
        yield server
    finally:
        server.stop()


class _Orders:
    """What is to go wrong next, and what has been asked; shared by all handler threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[tuple[str, int | None]] = []
        self._seen: list[dict[str, Any]] = []

    def add(self, kind: str, times: int | None) -> None:
        with self._lock:
            if kind == "behave":
                self._queue.clear()
            else:
                self._queue.append((kind, times))

    def next(self, body: dict[str, Any]) -> str:
        with self._lock:
            self._seen.append(body)
            if not self._queue:
                return ""
            kind, times = self._queue[0]
            if times is not None:
                self._queue[0] = (kind, times - 1)
                if times <= 1:
                    self._queue.pop(0)
            return kind

    def seen(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._seen)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    options: argparse.Namespace
    orders: _Orders

    def do_GET(self) -> None:
        if self.path == "/seen":
            self._send(200, json.dumps(self.orders.seen()))
        elif self.path != "/v1/models" or self.options.no_models:
            self._error(404, "not found")
        elif self._has_key():
            models = [{"id": name, "object": "model"} for name in self.options.model]
            self._send(200, json.dumps({"object": "list", "data": models}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/orders":
            self.orders.add(body["kind"], body["times"])
            self._send(200, "{}")
        elif self.path != "/v1/chat/completions":
            self._error(404, "not found")
        elif self._has_key():
            self._chat(body)

    def _chat(self, body: dict[str, Any]) -> None:
        kind, _, amount = self.orders.next(body).partition(":")
        time.sleep(self.options.delay + (float(amount) if kind == "hang" else 0))
        if (refusal := self._refusal(body)) is not None:
            self._error(400, refusal)
        elif kind == "status":
            self._error(int(amount), "told to fail")
        elif kind == "echo_key":
            self._error(401, f"Incorrect key provided: {self.headers.get('Authorization')}")
        elif kind == "close":
            self.close_connection = True
        elif kind == "half":
            self._send(200, json.dumps(self._reply(body, "")), cut=True)
        elif kind == "html":
            self._send(200, "<html>Gateway</html>", "text/html")
        elif kind == "no_choices":
            self._send(200, json.dumps({"choices": []}))
        else:
            self._send(200, json.dumps(self._reply(body, kind)))

    def _refusal(self, body: dict[str, Any]) -> str | None:
        if body.get("model") not in self.options.model:
            return f"model {body.get('model')!r} does not exist"
        if self.options.refuse_logprobs and body.get("logprobs"):
            return "logprobs are not supported"
        if self.options.refuse_schema and "response_format" in body:
            return "response_format is not supported"
        if self.options.newer_limit and "max_tokens" in body:
            return "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return None

    def _reply(self, body: dict[str, Any], kind: str) -> dict[str, Any]:
        text, finish_reason = self._text(body, kind)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if kind == "null":
            message.update(content=None, reasoning_content="Let me think about it.")
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish_reason}
        if body.get("logprobs") and not self.options.no_logprobs:
            choice["logprobs"] = {"content": [_logprobs(body)]}
        prompt = sum(len(one["content"].split()) for one in body["messages"])
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": len((text or "").split()),
            "prompt_tokens_details": {"cached_tokens": prompt // 2},
        }
        return {"object": "chat.completion", "choices": [choice], "usage": usage}

    def _text(self, body: dict[str, Any], kind: str) -> tuple[str, str]:
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        if schema is None or kind == "prose" or self.options.no_schema:
            text = "yes" if _draw(body, "yes") < 0.5 else "no"
            text = "I would rather say it in my own words." if kind == "prose" else text
        else:
            text = json.dumps(instance_of(schema, lambda what: _draw(body, what)))
        if kind == "cut":
            return text[: len(text) // 2], "length"
        changed = {
            "empty": "",
            "wrong": '{"surprise": true}',
            "fenced": f"```json\n{text}\n```",
            "think": f"<think>Which one? Perhaps {{this}}.</think>\n{text}",
        }
        return changed.get(kind, text), "stop"

    def _has_key(self) -> bool:
        if self.options.key and self.headers.get("Authorization") != f"Bearer {self.options.key}":
            self._error(401, f"Incorrect key provided: {self.headers.get('Authorization')}")
            return False
        return True

    def _error(self, status: int, message: str) -> None:
        self._send(status, json.dumps({"error": {"message": message, "code": status}}))

    def _send(
        self, status: int, text: str, content_type: str = "application/json", *, cut: bool = False
    ) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        # The client's own waits grow by the second: this keeps tests quick.
        self.send_header("retry-after-ms", "10")
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut

    def log_message(self, *arguments: object) -> None:
        pass


def instance_of(schema: dict[str, Any], draw: Any, path: str = "$") -> Any:
    """A value that follows the schema; `draw(path)` gives a number in [0, 1) for every choice."""
    if "const" in schema:
        return schema["const"]
    choices = schema.get("enum") or schema.get("anyOf") or schema.get("oneOf")
    if choices:
        chosen = choices[int(draw(path) * len(choices))]
        return chosen if "enum" in schema else instance_of(chosen, draw, path)
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: instance_of(of, draw, f"{path}.{name}") for name, of in properties.items()}
    if kind == "array":
        low, high = schema.get("minItems", 0), schema.get("maxItems", 2)
        count = low + int(draw(path) * (high - low + 1))
        return [instance_of(schema["items"], draw, f"{path}[{n}]") for n in range(count)]
    if kind == "string":
        return "as good as expected"[: schema.get("maxLength", 100)]
    if kind == "boolean":
        return draw(path) < 0.5
    if kind == "null":
        return None
    low = schema.get("minimum", 0)
    if kind == "integer" and (place := re.search(r"\[(\d+)\]", path)):
        # Entries of a list count on from one draw, so that no number stands in it twice.
        span = schema.get("maximum", low + 4) - low + 1
        first = int(draw(path.replace(place.group(), "[]")) * span)
        return low + (first + int(place.group(1))) % span
    number = low + draw(path) * (schema.get("maximum", low + 4) - low + (kind == "integer"))
    return int(number) if kind == "integer" else number


def _draw(body: dict[str, Any], what: str) -> float:
    """A number in [0, 1) that depends on the prompt alone."""
    text = json.dumps([body["messages"], what])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") / 2**32


def _logprobs(body: dict[str, Any]) -> dict[str, Any]:
    """Yes and no by the prompt, two more, and one that a grammar has masked as in vLLM."""
    yes = 0.05 + 0.8 * _draw(body, "logprob")
    odds = {"yes": yes, "no": 0.9 - yes, "Yes": 0.06, "maybe": 0.04}
    ranked = sorted(odds.items(), key=lambda pair: -pair[1])
    alternatives = [{"token": token, "logprob": math.log(p)} for token, p in ranked]
    alternatives = [*alternatives, {"token": "masked", "logprob": -9999.0}]
    return {**alternatives[0], "top_logprobs": alternatives[: body.get("top_logprobs", 0)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", action="append", help="a model it serves; may be repeated")
    parser.add_argument("--key", default="", help="the key it wants")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--no-models", action="store_true", help="has no /v1/models")
    parser.add_argument("--no-logprobs", action="store_true", help="ignores logprobs")
    parser.add_argument("--refuse-logprobs", action="store_true", help="answers 400 to logprobs")
    parser.add_argument("--no-schema", action="store_true", help="ignores response_format")
    parser.add_argument("--refuse-schema", action="store_true", help="answers 400 to a schema")
    parser.add_argument("--newer-limit", action="store_true", help="wants max_completion_tokens")
    options = parser.parse_args()
    options.model = options.model or ["demo-model"]
    _Handler.options, _Handler.orders = options, _Orders()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), _Handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main()
