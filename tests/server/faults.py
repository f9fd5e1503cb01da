"""How a reply goes wrong: by order, or a share of all calls by a hash of what they ask."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from .replies import Body, hashed, instance_of, schema_of

LONGEST = 4  # tries of one call that a fault of the mix lasts at most


@dataclass(frozen=True)
class Mix:
    """A share of calls fails, in kinds drawn from a list.

    Which calls, how, and for how many tries (1 to 4) is a hash of the call and the salt, so it is
    the same whatever comes before or beside it. A fresh attempt is another call.
    """

    share: float
    kinds: tuple[str, ...]
    salt: str = ""

    def kind(self, body: Body, tried: int) -> str:
        """What goes wrong the `tried`-th time (from 0) this very call is made, or ""."""
        asked = json.dumps([body["messages"], body.get("temperature"), body.get("seed")])
        if hashed(f"{self.salt}/whether/{asked}") >= self.share:
            return ""
        lasts = 1 + int(hashed(f"{self.salt}/lasts/{asked}") * LONGEST)
        chosen = int(hashed(f"{self.salt}/kind/{asked}") * len(self.kinds))
        return self.kinds[chosen] if tried < lasts else ""


class Orders:
    """What is to go wrong, and what has been asked; shared by all handler threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[tuple[str, int | None]] = []
        self._mix: Mix | None = None
        self._tried: Counter[str] = Counter()
        self._seen: list[Body] = []
        self._done: Counter[str] = Counter()

    def add(self, kind: str, times: int | None) -> None:
        """The next `times` calls go wrong like this; ``behave`` forgets everything."""
        with self._lock:
            if kind == "behave":
                self._queue.clear()
                self._mix = None
            else:
                self._queue.append((kind, times))

    def mix(self, mix: Mix) -> None:
        """From now on, wherever nothing was ordered."""
        with self._lock:
            self._mix = mix

    def next(self, body: Body) -> str:
        """What goes wrong with this call, or ""."""
        with self._lock:
            self._seen.append(body)
            kind = self._ordered()
            if kind is None and self._mix is not None:
                asked = json.dumps(body, sort_keys=True)
                kind = self._mix.kind(body, self._tried[asked])
                self._tried[asked] += 1
            if kind:
                self._done[kind] += 1
            return kind or ""

    def seen(self) -> list[Body]:
        with self._lock:
            return list(self._seen)

    def done(self) -> dict[str, int]:
        """How often each kind went wrong."""
        with self._lock:
            return dict(self._done)

    def _ordered(self) -> str | None:
        if not self._queue:
            return None
        kind, times = self._queue[0]
        if times is not None:
            self._queue[0] = (kind, times - 1)
            if times <= 1:
                self._queue.pop(0)
        return kind


def spoilt(text: str, body: Body, kind: str, amount: str) -> tuple[str, str]:
    """(text, finish_reason) of a reply that was right until this kind of fault befell it."""
    match kind:
        case "cut":
            return text[: len(text) // 2], "length"
        case "prose":
            return "I would rather say it in my own words.", "stop"
        case "preface":
            return f"Sure! Here is my answer:\n{text}", "stop"
        case "fenced":
            return f"```json\n{text}\n```", "stop"
        case "wrong":
            return '{"surprise": true}', "stop"
        case "think":
            return f"<think>Which one? Perhaps {{this}}.</think>\n{text}", "stop"
        case "thinking":
            return "<think>Which one? Perhaps this, perhaps that, or", "length"
        case "nan":
            return re.sub(r"(?<=: )\d+|\btrue\b|\bfalse\b", "NaN", text, count=1), "stop"
        case "wrong_item" | "duplicate_item":
            return _lists_spoilt(text, body, kind), "stop"
        case "huge":
            return "x" * int(float(amount or 10) * 1_000_000), "stop"
        case "empty":
            return "", "stop"
    return text, "stop"


def _lists_spoilt(text: str, body: Body, kind: str) -> str:
    """Every list holds something the page has not, or the same thing twice."""
    schema = schema_of(body)
    if schema is None:
        return text
    answer: dict[str, Any] = json.loads(text)
    for name, of in schema.get("properties", {}).items():
        if of.get("type") == "array":
            entry = instance_of(of["items"], lambda _: 0.0)
            if kind == "wrong_item":
                answer[name] = [json.loads(re.sub(r"\d+", "777", json.dumps(entry), count=1))]
            else:
                answer[name] = [entry, entry]
    return json.dumps(answer)


def wrong_usage(usage: dict[str, Any], how: str) -> dict[str, Any] | str | None:
    """Counts of tokens that cannot be true."""
    match how:
        case "negative":
            return dict.fromkeys(("prompt_tokens", "completion_tokens"), -5)
        case "absurd":
            return dict.fromkeys(("prompt_tokens", "completion_tokens"), 10**15)
        case "strings":
            return dict.fromkeys(("prompt_tokens", "completion_tokens"), "many")
        case "text":
            return "a lot"
        case "missing":
            return None
    return usage
