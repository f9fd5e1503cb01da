"""A model server that costs next to nothing: one fixed chat completion, or two, at given delays.

It speaks HTTP/1.1 by hand, in a process of its own on another core, so that what is measured is the
client. Delay and reply depend on the bytes of the request alone: the same calls take the same time
whatever the order they come in. `GET /load` tells the calls and the seconds spent in them so far.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from focusgroup.agents.reply import AnswerReply, Pick, write_answer

MODEL = "instant"
_NORMAL = statistics.NormalDist()


@contextmanager
def serving(
    *, delay: float = 0.0, sigma: float = 0.0, leaving: float = 0.0, core: int | None = None
) -> Iterator[str]:
    """The server's origin, http://127.0.0.1:PORT.

    Args:
        delay: seconds, median. sigma: spread of their logarithm.
        leaving: share of calls answered with a wish to leave.
        core: the processor it is bound to.
    """
    arguments = ["--delay", str(delay), "--sigma", str(sigma), "--leaving", str(leaving)]
    if core is not None:
        arguments += ["--core", str(core)]
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def load(origin: str) -> dict[str, float]:
    """Calls answered so far, and the seconds of delay in them together."""
    with urllib.request.urlopen(f"{origin}/load", timeout=10) as reply:
        found: dict[str, float] = json.load(reply)
    return found


def pin(core: int) -> None:
    """Bind this process to one processor, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def _reply(stay: bool) -> bytes:
    said = AnswerReply((Pick(2, 4), Pick(7, 5)), "A quiet one like those I loved", 4, stay)
    message = {"role": "assistant", "content": write_answer(said, stars=True)}
    token = {"token": "yes", "logprob": -0.1, "top_logprobs": [{"token": "yes", "logprob": -0.1}]}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "stop",
                "logprobs": {"content": [token]},
            }
        ],
        "usage": {
            "prompt_tokens": 600,
            "completion_tokens": 40,
            "total_tokens": 640,
            "prompt_tokens_details": {"cached_tokens": 400},
        },
    }
    return _whole(json.dumps(body).encode())


def _whole(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


_STAY, _LEAVE = _reply(True), _reply(False)
_MODELS = _whole(json.dumps({"object": "list", "data": [{"id": MODEL}]}).encode())


class _Connection(asyncio.Protocol):
    options: argparse.Namespace
    calls = 0
    seconds = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        body, self._buffer = self._buffer[end + 4 :], b""
        if head.startswith(b"get /load"):
            load = {"calls": _Connection.calls, "seconds": _Connection.seconds}
            self._transport.write(_whole(json.dumps(load).encode()))
        elif head.startswith(b"get"):
            self._transport.write(_MODELS)
        else:
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        options = self.options
        reply, delay = _STAY, options.delay
        if options.sigma or options.leaving:
            drawn = hashlib.blake2b(body, digest_size=16).digest()
            one, other = (int.from_bytes(half, "big") / 2**64 for half in (drawn[:8], drawn[8:]))
            delay *= 2.718281828459045 ** (
                options.sigma * _NORMAL.inv_cdf(min(max(one, 1e-9), 1 - 1e-9))
            )
            reply = _LEAVE if other < options.leaving else _STAY
        _Connection.calls += 1
        _Connection.seconds += delay
        if delay:
            asyncio.get_running_loop().call_later(delay, self._transport.write, reply)
        else:
            self._transport.write(reply)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--sigma", type=float, default=0.0)
    parser.add_argument("--leaving", type=float, default=0.0)
    parser.add_argument("--core", type=int)
    _Connection.options = parser.parse_args()
    if _Connection.options.core is not None:
        pin(_Connection.options.core)
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
