"""JSON schemas as masks over a tokenizer's vocabulary, by llguidance."""

from __future__ import annotations

import json
from typing import Any, Protocol

from focusgroup.agents.llm.protocol import JsonSchema
from focusgroup.simulator.errors import UserError

_COMPACT = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}


class Matcher(Protocol):
    """What is used of llguidance's matcher: where one answer stands in its grammar."""

    def is_stopped(self) -> bool: ...

    def consume_token(self, sampled_token: int) -> bool: ...

    def compute_bitmask(self) -> bytes: ...

    def get_error(self) -> str: ...


class Constrainer:
    """Makes matchers; grammars are compiled once per schema.

    Args:
        tokenizer: a fast tokenizer of `transformers`.
        ends: tokens that end an answer.
    """

    def __init__(self, tokenizer: Any, ends: list[int]) -> None:
        import llguidance.hf

        self._tokens = llguidance.hf.from_tokenizer(tokenizer, eos_token=ends)
        self._fresh: dict[str, Any] = {}

    def matcher(self, schema: JsonSchema) -> Matcher:
        """The beginning of an answer that follows the schema, without free white space.

        Raises:
            UserError: llguidance cannot express the schema.
        """
        from llguidance import LLMatcher

        # The order of keys is the order of generation, so it is part of the schema here.
        text = json.dumps(schema)
        if text not in self._fresh:
            grammar = LLMatcher.grammar_from_json_schema(text, overrides=_COMPACT)
            fresh = LLMatcher(self._tokens, grammar, log_level=0)
            if fresh.is_error():
                raise UserError(
                    f"the schema {text[:200]} cannot be enforced: {fresh.get_error()[:200]}; "
                    "simplify it"
                )
            self._fresh[text] = fresh
        matcher: Matcher = self._fresh[text].deep_copy()
        return matcher
