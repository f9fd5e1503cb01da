"""A warm process that runs the command line in forks of itself, and ends them where it is told.

Everything is imported once; each order on standard input, a line of JSON, is one fork:

    {"commands": [["resume", "runs/a"], ...],   run one after the other until one fails
     "said": PATH,            stdout and stderr of the fork: PATH.out, PATH.err
     "asked": PATH or null,   a scripted model answers, and notes every key it was asked here;
                              null: real backends
     "counts": PATH or null,  at the end: how often each place below was passed
     "kill": [PLACE, N, WHEN] or null,   SIGKILL on itself at the n-th pass, "before", "within" or
                              "after" it; places: fsync, rename, write, commit, put, ask
     "after": SECONDS or null,           SIGKILL from outside, this long after the fork
     "signal": NUMBER         sent instead of SIGKILL
     "largest": BYTES or null}           of any file it writes, by RLIMIT_FSIZE

The reply is a line too: {"code": exit code or -signal, "seconds": ...}.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import resource
import signal
import sqlite3
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import ir_measures  # noqa: F401  imported where it is used: once here is once for all forks

from focusgroup.agents.llm import (
    Completion,
    CompletionRequest,
    Journal,
    ScriptedLLM,
    TransportError,
    opening,
)
from focusgroup.scenarios.cli import main

FINGERPRINT = "scripted"
CRASHED = 99


class Places:
    """Counts the places a run passes, and kills it at one of them."""

    def __init__(self, kill: list[Any] | None, signal_: int) -> None:
        self.counts: Counter[str] = Counter()
        self.signal = signal_
        self._place, self._nth, self._when = kill or ("", 0, "")

    def passes(self, place: str) -> str:
        """Counts a pass; returns when in it the process is to die, or ""."""
        self.counts[place] += 1
        here = place == self._place and self.counts[place] == self._nth
        if here and self._when == "before":
            self.die()
        return self._when if here else ""

    def die(self) -> None:
        """With SIGKILL no handler runs and nothing is flushed."""
        os.kill(os.getpid(), self.signal)


def watch(places: Places) -> None:
    """Puts the places where a run writes under watch."""

    def around(place: str, call: Any) -> Any:
        def watched(*arguments: Any, **more: Any) -> Any:
            when = places.passes(place)
            result = call(*arguments, **more)
            if when:
                places.die()
            return result

        return watched

    os.fsync = around("fsync", os.fsync)
    os.rename = around("rename", os.rename)
    os.replace = around("rename", os.replace)
    Journal.put = around("put", Journal.put)  # type: ignore[method-assign]
    plain_connect = sqlite3.connect
    plain_open = Path.open

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            when = places.passes("commit") if sql.startswith(("COMMIT", "INSERT")) else ""
            cursor = super().execute(sql, *parameters)
            if when:
                places.die()
            return cursor

    class Written(io.BufferedWriter):
        def write(self, data: Any) -> int:
            when = places.passes("write")
            if when == "within":
                half = memoryview(data).cast("B")
                super().write(half[: len(half) // 2])
                self.flush()
                places.die()
            done = super().write(data)
            if when:
                self.flush()
                places.die()
            return done

    def watched_open(self: Path, mode: str = "r", *arguments: Any, **more: Any) -> Any:
        if mode == "wb":
            return Written(io.FileIO(self, "wb"))
        return plain_open(self, mode, *arguments, **more)

    sqlite3.connect = lambda *arguments, **more: plain_connect(  # type: ignore[assignment]
        *arguments, **more, factory=Connection
    )
    Path.open = watched_open  # type: ignore[method-assign, assignment]


def scripted(places: Places, asked: Path) -> ScriptedLLM:
    """A model that answers by the hash of the request: mostly well, sometimes not at all."""
    note = os.open(asked, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def answer(request: CompletionRequest) -> str | Completion:
        when = places.passes("ask")
        key = request.key(FINGERPRINT)
        os.write(note, f"{key}\n".encode())
        if when:
            places.die()
        if draw(key, "drops") < 0.02:
            raise TransportError("the line went dead")
        if draw(key, "rambles") < 0.1:
            return "I would rather say it in my own words."
        if request.schema is None:
            return "yes"
        return json.dumps(REPLIES.instance_of(request.schema, lambda what: draw(key, what)))

    return ScriptedLLM(answer, delay=0.001, fingerprint=FINGERPRINT)


def draw(*words: str) -> float:
    """A number in [0, 1) that depends on the words alone."""
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=6).digest()) / 2**48


def child(order: dict[str, Any]) -> None:
    """What a fork does; it ends with the exit code of its last command."""
    for stream, name in ((sys.stdout, "out"), (sys.stderr, "err")):
        to = os.open(f"{order['said']}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(to, stream.fileno())
    if order.get("largest"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest"], resource.RLIM_INFINITY))
    places = Places(order.get("kill"), order.get("signal", signal.SIGKILL))
    if order.get("kill") or order.get("counts"):
        watch(places)
    if order.get("asked"):
        model = scripted(places, Path(order["asked"]))
        opening.open_llm = lambda spec, options: model  # type: ignore[assignment]
    code = 0
    for command in order["commands"]:
        sys.argv = ["focusgroup", *command]
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        sys.stdout.flush()
        sys.stderr.flush()
        if code:
            break
    if order.get("counts"):
        Path(order["counts"]).write_text(json.dumps(places.counts))
    os._exit(code)


def serve() -> None:
    """Reads orders until there are no more."""
    for line in sys.stdin:
        order = json.loads(line)
        began = time.monotonic()
        process = os.fork()
        if not process:
            try:
                child(order)
            finally:
                traceback.print_exc()  # a fork never comes back here but by an error
                os._exit(CRASHED)
        if order.get("after") is not None:
            time.sleep(order["after"])
            os.kill(process, order.get("signal", signal.SIGKILL))
        _, status = os.waitpid(process, 0)
        told = {
            "code": os.waitstatus_to_exitcode(status),
            "seconds": time.monotonic() - began,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def load(path: Path, name: str) -> ModuleType:
    """A file of the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


REPLIES = load(
    Path(__file__).resolve().parents[1] / "server" / "replies.py", "focusgroup_fake_replies"
)

if __name__ == "__main__":
    serve()
