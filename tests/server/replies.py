"""What a well-behaved model says: JSON that follows the schema, yes or no, or a sentence."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from typing import Any

Body = dict[str, Any]
Draw = Callable[[str], float]


def text_of(body: Body, *, ignore_schema: bool = False) -> str:
    """The same text for the same prompt, every time."""
    schema = schema_of(body)
    if schema is None or ignore_schema:
        return "yes" if draw_of(body, "yes") < 0.5 else "no"
    return json.dumps(instance_of(schema, lambda what: draw_of(body, what)))


def schema_of(body: Body) -> dict[str, Any] | None:
    """The JSON schema a call asks for."""
    schema: dict[str, Any] | None = (
        body.get("response_format", {}).get("json_schema", {}).get("schema")
    )
    return schema


def draw_of(body: Body, what: str) -> float:
    """A number in [0, 1) that depends on the prompt alone."""
    return hashed(json.dumps([body["messages"], what]))


def hashed(text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") / 2**32


def instance_of(schema: dict[str, Any], draw: Draw, path: str = "$") -> Any:
    """A value that follows the schema; `draw(path)` gives a number in [0, 1) for every choice."""
    if "const" in schema:
        return schema["const"]
    choices = schema.get("enum") or schema.get("anyOf") or schema.get("oneOf")
    if choices:
        chosen = choices[int(draw(path) * len(choices))]
        return chosen if "enum" in schema else instance_of(chosen, draw, path)
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: instance_of(of, draw, f"{path}.{name}") for name, of in properties.items()}
    if kind == "array":
        return _list_of(schema, draw, path)
    if kind == "string":
        return "as good as expected"[: schema.get("maxLength", 100)]
    if kind == "boolean":
        return draw(path) < 0.5
    if kind == "null":
        return None
    low = schema.get("minimum", 0)
    if kind == "integer" and (place := re.search(r"\[(\d+)\]", path)):
        # Entries of a list count on from one draw, so that no number stands in it twice; lists of
        # the same numbers side by side are alike: what is bought is among what is picked.
        span = schema.get("maximum", low + 4) - low + 1
        parent = path[: place.start()].rpartition(".")[0]
        first = int(draw(f"{parent}[] of {span}") * span)
        return low + (first + int(place.group(1))) % span
    number = low + draw(path) * (schema.get("maximum", low + 4) - low + (kind == "integer"))
    return int(number) if kind == "integer" else number


def _list_of(schema: dict[str, Any], draw: Draw, path: str) -> list[Any]:
    low, high = schema.get("minItems", 0), schema.get("maxItems", 2)
    # Lists side by side are of one length: what belongs together may be written in two.
    count = low + int(draw(f"{path.rpartition('.')[0]}#") * (high - low + 1))
    listed = schema["items"].get("enum")
    if listed:
        # Far apart in what may be said, so that no item is named twice.
        first, stride = int(draw(f"{path}[]") * len(listed)), max(1, len(listed) // max(1, high))
        return [listed[(first + n * stride) % len(listed)] for n in range(count)]
    return [instance_of(schema["items"], draw, f"{path}[{n}]") for n in range(count)]


def logprobs_of(body: Body) -> dict[str, Any]:
    """Yes and no by the prompt, two more, and one that a grammar has masked as in vLLM."""
    yes = 0.05 + 0.8 * draw_of(body, "logprob")
    odds = {"yes": yes, "no": 0.9 - yes, "Yes": 0.06, "maybe": 0.04}
    ranked = sorted(odds.items(), key=lambda pair: -pair[1])
    alternatives = [{"token": token, "logprob": math.log(p)} for token, p in ranked]
    alternatives = [*alternatives, {"token": "masked", "logprob": -9999.0}]
    return {**alternatives[0], "top_logprobs": alternatives[: body.get("top_logprobs", 0)]}


def usage_of(body: Body, text: str) -> dict[str, Any]:
    """Tokens, where every word is one; half of the prompt was in the cache."""
    prompt = sum(len(one["content"].split()) for one in body["messages"])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": len(text.split()),
        "prompt_tokens_details": {"cached_tokens": prompt // 2},
    }
