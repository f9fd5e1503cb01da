"""Outside text made safe to show a model: bounded, on one line, unable to leave its fence."""

from __future__ import annotations

import re
import unicodedata

_SPACE = re.compile(r"\s+")
# Chat-template tokens (<|im_start|>, [INST], <<SYS>>), any tag (</s>, <start_of_turn>, <think>),
# our own fence, code fences and role names: kept readable, but broken so that no tokenizer or
# reader takes them up.
_MARKERS = re.compile(
    r"<\||\|>|<\uff5c|\uff5c>|<<+|>>+|```+|</?[a-z_][\w.-]*\s*/?>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|IMG|THINK)\]"
    r"|\b(?:system|assistant|user|human)\s?:",
    re.IGNORECASE,
)
_LOOKALIKES = str.maketrans(
    {"<": "\u2039", ">": "\u203a", "[": "(", "]": ")", "`": "'", ":": "\u2236"}
)


def fence(text: str, limit: int = 200) -> str:
    """One line of at most `limit` characters, without control or bidi characters or markers.

    A cut text ends in an ellipsis, so that the reader can see it was cut.
    """
    text = text.strip()
    looked_at = text[: limit * 8]
    visible = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in looked_at
        if unicodedata.category(c) not in ("Cf", "Co", "Cs", "Cn")
    )
    line = _SPACE.sub(" ", visible).strip()
    line = _MARKERS.sub(lambda m: m.group().translate(_LOOKALIKES), line)
    if len(line) <= limit and len(looked_at) == len(text):
        return line
    return line[: limit - 1].rstrip() + "\u2026"
