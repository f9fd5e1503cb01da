"""Outside text made safe to show a model: bounded, on one line, unable to leave its fence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_SPACE = re.compile(r"\s+")
# Chat-template tokens (<|im_start|>, [INST], <<SYS>>), any tag (</s>, <start_of_turn>, <seed:bos>),
# our own fence, code fences and role names: kept readable, but broken so that no tokenizer or
# reader takes them up. Words in square brackets are tokens in capitals only: "[Audio]" is a title.
_MARKERS = re.compile(
    r"[<\uff1c][|\uff5c]|[|\uff5c][>\uff1e]|<<+|>>+|```+|</?\w[\w.:=/-]*\s*/?>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|IMG|THINK)\]"
    r"|(?-i:\[/?(?:TOOL_CONTENT|CALL_ID|ARGS|IMG_BREAK|IMG_END|PREFIX|MIDDLE|SUFFIX|AUDIO"
    r"|BEGIN_AUDIO|TRANSCRIBE|MODEL_SETTINGS|CLS|SEP|MASK|PAD|UNK|BOS|EOS|[gs]MASK)\])"
    r"|\[\||\|\]|\]~!b\[|\]~b\]|\[e~\["
    r"|\b(?:system|assistant|user|human)[*_]{0,3}\s?[:\uff1a]"
    r"|##+\s?(?:instruction|response|input)\s?:",
    re.IGNORECASE,
)
_LOOKALIKES = str.maketrans(
    {
        "<": "\u2039",
        ">": "\u203a",
        "\uff1c": "\u2039",
        "\uff1e": "\u203a",
        "[": "(",
        "]": ")",
        "`": "'",
        ":": "\u2236",
        "\uff1a": "\u2236",
    }
)
# Letters and symbols of which nothing is seen: Hangul fillers, the empty Braille pattern.
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"
_SHORT = 200  # characters of a text that is remembered
_STACKED = 8  # marks on one letter; no script needs more


def fence(text: str, limit: int = 200) -> str:
    """One line of at most `limit` characters, without control or bidi characters or markers.

    A cut text ends in an ellipsis, so that the reader can see it was cut.
    """
    return _fenced_before(text, limit) if len(text) <= _SHORT else _fenced(text, limit)


def _fenced(text: str, limit: int) -> str:
    text = text.strip()
    looked_at = text[: limit * 8]
    # Nothing is unseen in printable ASCII, and most texts are nothing else.
    plain = looked_at.isascii() and looked_at.isprintable()
    line = _SPACE.sub(" ", looked_at if plain else "".join(_seen(looked_at))).strip()
    line = _MARKERS.sub(lambda m: m.group().translate(_LOOKALIKES), line)
    if len(line) <= limit and len(looked_at) == len(text):
        return line
    return line[: limit - 1].rstrip() + "\u2026"


# The same titles are shown to everybody, page after page.
_fenced_before = lru_cache(maxsize=16_384)(_fenced)


def _seen(text: str) -> Iterator[str]:
    """The characters a reader sees, white space for those that only part others."""
    marks = 0
    for character in text:
        kind = unicodedata.category(character)
        if kind in ("Cf", "Co", "Cs", "Cn"):
            continue
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if kind in ("Cc", "Zl", "Zp") or character in _BLANK:
            yield " "
        elif marks <= _STACKED:
            yield character
