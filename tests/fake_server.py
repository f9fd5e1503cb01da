"""A language-model server that can be told to misbehave: OpenAI chat completions over real HTTP.

It runs in a process of its own (tests/server/ holds what it does); start it with `running()`, or
from a shell:

    python tests/fake_server.py --port 8000 --model demo-model --mix 0.3 --kinds empty,status:500

Left alone it answers every prompt in the same way each time: JSON that follows the schema it is
given, "yes" or "no" with log-probabilities, or a short sentence. `order(kind, times)` makes the
next `times` chat calls (None: all until `behave()`) go wrong in one of these ways, and
`mix(share, kinds)` a share of all calls, chosen by a hash of the call:

    status:CODE   that HTTP status              empty           content ""
    busy[:N]      429 [Retry-After: N]          null            content null, reasoning_content
    late:SECONDS  answers after so long         tool_call       content null, calls a tool
    hang          never answers                 cut             half the text, finish "length"
    close, reset  drops the connection          prose           a sentence where JSON was asked for
    half          drops it within the body      preface         a sentence before the right JSON
    leave[:N]     refuses connections for N s   fenced          the right JSON in a Markdown fence
    html          a page of HTML                think           the right JSON after <think>
    no_choices    JSON that is no answer        thinking        <think> without an end
    echo_key[:CODE]  401, quotes the key        wrong           JSON that breaks the schema
    say_key       the right JSON with the key   wrong_item      an item that is not on the page
    huge[:MB]     a reply of 10 MB
    usage:HOW     counts of tokens that are     duplicate_item  an item named twice
                  negative, absurd, strings,    nan             NaN where a value belongs
                  text or missing
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    def order(self, kind: str, times: int | None = 1) -> None:
        """The next `times` chat calls go wrong this way, after those ordered before."""
        self._post("/orders", {"kind": kind, "times": times})

    def mix(self, share: float, kinds: Sequence[str], salt: str = "") -> None:
        """Where nothing is ordered, a share of all calls goes wrong, for 1 to 4 tries each."""
        self._post("/mix", {"share": share, "kinds": list(kinds), "salt": salt})

    def leave(self, seconds: float) -> None:
        """Refuse every connection for so long."""
        self._post("/leave", {"seconds": seconds})

    def behave(self) -> None:
        """Forget all orders and the mix."""
        self._post("/orders", {"kind": "behave", "times": 0})

    def seen(self) -> list[dict[str, Any]]:
        """The bodies of all chat calls so far."""
        return cast(list[dict[str, Any]], self._get("/seen"))

    def done(self) -> dict[str, int]:
        """How often each kind went wrong so far."""
        return cast(dict[str, int], self._get("/done"))

    def stop(self) -> None:
        """End the process: from now on nobody answers at this address."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.origin}{path}", timeout=10) as reply:
            return json.load(reply)

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


if __name__ == "__main__":
    from server.handler import serve

    serve()
