"""Secrets taken out of what a server says, however its JSON has written them."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Shorter ones, such as EMPTY for a server that wants none, are words and no secrets.
_SHORTEST = 12


class Secrets:
    """Keys and passwords that may be quoted by a server, and must be repeated nowhere."""

    def __init__(self, values: Sequence[str]) -> None:
        self._values = [value for value in values if value]
        escaped = [_as_json(value) for value in self._values if len(value) >= _SHORTEST]
        self._in_bodies = re.compile("|".join(escaped).encode()) if escaped else None

    def out_of(self, text: str) -> str:
        """The text of an error without them."""
        for value in self._values:
            text = text.replace(value, "***")
        return text

    def out_of_body(self, body: bytes) -> bytes:
        """What a server says goes into journals and reports: without them, escaped or not, and
        without the backslashes before them. JSON stays JSON."""
        return body if self._in_bodies is None else self._in_bodies.sub(b"***", body)

    def shown_in(self, text: str) -> bool:
        """Whether a text shows one of them."""
        return any(value in text for value in self._values)


def _as_json(secret: str) -> str:
    r"""A pattern of all ways to write a text in JSON, in JSON within JSON, and so on: `/` may be
    `\/` or `\u002f`, and each backslash doubled."""
    return "".join(
        rf"\\*(?:{re.escape(one)}|[uU](?i:{ord(one):04x}))" if ord(one) < 128 else re.escape(one)
        for one in secret
    )
