"""OpenAI chat completions over real HTTP, in threads; may go away for a while and come back."""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .faults import Mix, Orders, spoilt, wrong_usage
from .replies import Body, logprobs_of, text_of, usage_of

_FOREVER = 3600.0


class Server(ThreadingHTTPServer):
    """Serves until the process ends; `leave` closes the door for some seconds."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(("127.0.0.1", options.port), Handler)
        self.options = options
        self.orders = Orders()
        self.away = threading.Event()
        self.seconds_away = 0.0

    def serve(self) -> None:
        """Listens, and listens again after having been away."""
        while True:
            self.serve_forever(poll_interval=0.02)
            self.server_close()
            time.sleep(self.seconds_away)
            self.socket = socket.socket(self.address_family, self.socket_type)
            self.away.clear()
            self.server_bind()
            self.server_activate()

    def leave(self, seconds: float) -> None:
        """Refuses every connection for so long; open ones are dropped."""
        self.seconds_away = seconds
        self.away.set()
        threading.Thread(target=self.shutdown, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that hang up are what this server is for


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        if self.path == "/seen":
            self._send(200, json.dumps(self.server.orders.seen()))
        elif self.path == "/done":
            self._send(200, json.dumps(self.server.orders.done()))
        elif self.server.away.is_set():
            self.close_connection = True
        elif self.path != "/v1/models" or self.server.options.no_models:
            self._error(404, "not found")
        elif self._has_key():
            models = [{"id": name, "object": "model"} for name in self.server.options.model]
            self._send(200, json.dumps({"object": "list", "data": models}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/orders":
            self.server.orders.add(body["kind"], body["times"])
            self._send(200, "{}")
        elif self.path == "/mix":
            self.server.orders.mix(Mix(body["share"], tuple(body["kinds"]), body["salt"]))
            self._send(200, "{}")
        elif self.path == "/leave":
            self._send(200, "{}")
            self.server.leave(body["seconds"])
        elif self.server.away.is_set():
            self.close_connection = True
        elif self.path != "/v1/chat/completions":
            self._error(404, "not found")
        elif self._has_key():
            self._chat(body)

    def _chat(self, body: Body) -> None:
        kind, _, amount = self.server.orders.next(body).partition(":")
        time.sleep(self.server.options.delay)
        if (refusal := self._refusal(body)) is not None:
            self._error(400, refusal)
            return
        match kind:
            case "status":
                self._error(int(amount), "told to fail")
            case "busy":
                wait = {"Retry-After": amount} if amount else {}
                self._send(429, '{"error": {"message": "slow down"}}', headers=wait)
            case "echo_key":
                said = f"Incorrect key provided: {self.headers.get('Authorization')}"
                self._error(int(amount or 401), said)
            case "say_key":
                _, _, key = self.headers.get("Authorization", "").partition(" ")
                text = json.dumps(self._reply(body, "", ""))
                if amount == "escaped":  # as some JSON writers do
                    key = "".join(f"\\u{ord(c):04X}" if c in "+&" else c for c in key)
                    key = key.replace("/", "\\/")
                self._send(200, text.replace("as good as expected", f"I know {key}"))
            case "close":
                self.close_connection = True
            case "reset":
                self._reset()
            case "leave":
                self.close_connection = True
                self.server.leave(float(amount or 1))
            case "half":
                self._send(200, json.dumps(self._reply(body, "", "")), cut=True)
            case "html":
                self._send(200, "<html>Gateway</html>", "text/html")
            case "no_choices":
                self._send(200, json.dumps({"choices": []}))
            case _:
                if kind in ("hang", "late"):
                    time.sleep(float(amount or _FOREVER))
                self._send(200, json.dumps(self._reply(body, kind, amount)))

    def _refusal(self, body: Body) -> str | None:
        options = self.server.options
        if body.get("model") not in options.model:
            return f"model {body.get('model')!r} does not exist"
        if options.refuse_logprobs and body.get("logprobs"):
            return "logprobs are not supported"
        if options.refuse_schema and "response_format" in body:
            return "response_format is not supported"
        if options.newer_limit and "max_tokens" in body:
            return "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return None

    def _reply(self, body: Body, kind: str, amount: str) -> dict[str, Any]:
        right = text_of(body, ignore_schema=self.server.options.no_schema)
        text, finish_reason = spoilt(right, body, kind, amount)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if kind == "null":
            message.update(content=None, reasoning_content="Let me think about it.")
        if kind == "tool_call":
            call = {"type": "function", "function": {"name": "search", "arguments": "{}"}}
            message.update(content=None, tool_calls=[{"id": "call_1", **call}])
            finish_reason = "tool_calls"
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish_reason}
        if body.get("logprobs") and not self.server.options.no_logprobs:
            choice["logprobs"] = {"content": [logprobs_of(body)]}
        usage = usage_of(body, text)
        return {
            "object": "chat.completion",
            "choices": [choice],
            "usage": wrong_usage(usage, amount) if kind == "usage" else usage,
        }

    def _has_key(self) -> bool:
        key, given = self.server.options.key, self.headers.get("Authorization")
        if key and given != f"Bearer {key}":
            self._error(401, f"Incorrect key provided: {given}")
            return False
        return True

    def _error(self, status: int, message: str) -> None:
        # The client's own waits grow by the second: this keeps tests quick.
        text = json.dumps({"error": {"message": message, "code": status}})
        self._send(status, text, headers={"retry-after-ms": "10"})

    def _reset(self) -> None:
        """Ends the connection the hard way."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        with contextlib.suppress(OSError):
            self.connection.close()
        self.close_connection = True

    def _send(
        self,
        status: int,
        text: str,
        content_type: str = "application/json",
        *,
        headers: dict[str, str] | None = None,
        cut: bool = False,
    ) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut

    def log_message(self, *arguments: object) -> None:
        pass


def serve(arguments: list[str] | None = None) -> None:
    """Runs the server until the process is ended; prints its address first."""
    parser = argparse.ArgumentParser(description="A language-model server told to misbehave.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", action="append", help="a model it serves; may be repeated")
    parser.add_argument("--key", default="", help="the key it wants")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--mix", type=float, default=0.0, help="share of calls that go wrong")
    parser.add_argument("--kinds", default="status:500", help="in which ways, between commas")
    parser.add_argument("--no-models", action="store_true", help="has no /v1/models")
    parser.add_argument("--no-logprobs", action="store_true", help="ignores logprobs")
    parser.add_argument("--refuse-logprobs", action="store_true", help="answers 400 to logprobs")
    parser.add_argument("--no-schema", action="store_true", help="ignores response_format")
    parser.add_argument("--refuse-schema", action="store_true", help="answers 400 to a schema")
    parser.add_argument("--newer-limit", action="store_true", help="wants max_completion_tokens")
    options = parser.parse_args(arguments)
    options.model = options.model or ["demo-model"]
    server = Server(options)
    if options.mix:
        server.orders.mix(Mix(options.mix, tuple(options.kinds.split(","))))
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    server.serve()
