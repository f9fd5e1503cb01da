"""Rows of a journal: what lies in its file, each row under a checksum."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import cast

from focusgroup.agents.llm.protocol import Completion, Usage

Row = tuple[object, ...]
_Stored = tuple[str, str, str, int, int, int, str, float, str]
_CAPABILITIES = "capabilities"
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the journal. `columns`: all but the key, which comes first, and the checksum,
    which comes last."""

    name: str
    columns: str
    declared: str

    @property
    def create(self) -> str:
        return (
            f"CREATE TABLE IF NOT EXISTS {self.name}(key TEXT PRIMARY KEY, {self.declared},"
            " checksum TEXT NOT NULL) WITHOUT ROWID"
        )

    @property
    def select(self) -> str:
        return f"SELECT key, {self.columns}, checksum FROM {self.name}"  # noqa: S608

    @property
    def insert(self) -> str:
        places = "?, " * (self.columns.count(",") + 2) + "?"
        return (
            f"INSERT OR REPLACE INTO {self.name}(key, {self.columns}, checksum) VALUES ({places})"  # noqa: S608
        )


COMPLETIONS = Table(
    "completions",
    "text, finish_reason, prompt_tokens, completion_tokens, cached_tokens, logprobs, latency",
    "text TEXT NOT NULL, finish_reason TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,"
    " completion_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, logprobs TEXT NOT NULL,"
    " latency REAL NOT NULL",
)
SLATES = Table("slates", "text", "text TEXT NOT NULL")
TABLES = (COMPLETIONS, SLATES)


def sealed(key: str, *values: object) -> Row:
    """A row as it is stored: key, values, checksum over both."""
    return (key, *values, _checksum(key, *values))


def is_whole(row: Row) -> bool:
    """Whether a row is what was once stored."""
    return isinstance(row[0], str) and _checksum(*row[:-1]) == row[-1]


def completion_row(key: str, completion: Completion) -> Row:
    """A completion as a row of COMPLETIONS."""
    usage = completion.usage
    return sealed(
        key,
        storable(completion.text),
        storable(completion.finish_reason),
        usage.prompt,
        usage.completion,
        usage.cached,
        json.dumps(completion.logprobs, ensure_ascii=True),
        float(completion.latency),
    )


def completion_of(row: Row) -> Completion:
    """The completion in a whole row of COMPLETIONS."""
    _, text, finish_reason, prompt, completion, cached, logprobs, latency, _ = cast(_Stored, row)
    pairs = json.loads(logprobs)
    return Completion(
        text=text,
        finish_reason=finish_reason,
        usage=Usage(prompt, completion, cached),
        logprobs=None if pairs is None else tuple((token, value) for token, value in pairs),
        latency=latency,
    )


def storable(text: str) -> str:
    """The text with half surrogate pairs, which a cut reply may hold and UTF-8 cannot, as "?"."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def capabilities_key(fingerprint: str, *, json_schema: bool, logprobs: bool) -> str:
    """Where the journal notes what a model was seen to do."""
    return _SEPARATOR.join((_CAPABILITIES, fingerprint, str(json_schema), str(logprobs)))


def model_of(slate_key: str) -> str | None:
    """The model a key of `capabilities_key` speaks of; None for other keys."""
    kind, _, rest = slate_key.partition(_SEPARATOR)
    return rest.rsplit(_SEPARATOR, 2)[0] if kind == _CAPABILITIES and rest else None


def _checksum(*values: object) -> str:
    return hashlib.blake2b(repr(values).encode("utf-8", "replace"), digest_size=8).hexdigest()
