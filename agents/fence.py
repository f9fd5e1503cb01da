"""Outside text made safe to show a model: bounded, on one line, unable to leave its fence."""

from __future__ import annotations

import re
import unicodedata

_SPACE = re.compile(r"\s+")
# Chat-template tokens (<|im_start|>, [INST], <<SYS>>, </s>, <start_of_turn>), our own fence, code
# fences and reasoning tags: kept readable, but broken so that no tokenizer or reader takes them up.
_MARKERS = re.compile(
    r"<\|[^|<>]{0,40}\|>|<<<+|>>>+|```+|\[/?INST\]|<</?SYS>>|</?s>|</?think>"
    r"|<(?:start|end)_of_turn>|<\uff5c[^\uff5c]{0,40}\uff5c>|^\s*(?:system|assistant|user)\s*:",
    re.IGNORECASE,
)
_LOOKALIKES = str.maketrans(
    {"<": "\u2039", ">": "\u203a", "[": "(", "]": ")", "`": "'", ":": "\u2236"}
)


def fence(text: str, limit: int = 200) -> str:
    """One line of at most `limit` characters, without control or bidi characters or markers.

    A cut text ends in an ellipsis, so that the reader can see it was cut.
    """
    visible = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in text[: limit * 8]
        if unicodedata.category(c) not in ("Cf", "Co", "Cs", "Cn")
    )
    line = _SPACE.sub(" ", visible).strip()
    line = _MARKERS.sub(lambda m: m.group().translate(_LOOKALIKES), line)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "\u2026"
