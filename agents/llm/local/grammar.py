"""A JSON schema as a llama.cpp grammar that leaves no room for free white space.

White space that a schema allows is generated token by token, and may eat the whole `max_tokens`.
"""

from __future__ import annotations

import json
import re

from focusgroup.agents.llm.protocol import JsonSchema
from focusgroup.simulator.errors import UserError

# Understood by builds that enforce schemas with llguidance, ignored by the others.
_COMPACT = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
_SPACE_RULE = re.compile(r"^space ::=.*$", re.MULTILINE)


def compact_grammar(schema: JsonSchema) -> str:
    """The grammar of compact JSON that follows the schema.

    Raises:
        UserError: llama.cpp cannot express the schema.
    """
    import xllamacpp

    try:
        grammar = str(xllamacpp.json_schema_to_grammar({**schema, "x-guidance": _COMPACT}))
    except (RuntimeError, ValueError, TypeError) as error:
        raise UserError(
            f"llama.cpp cannot enforce the schema {json.dumps(schema)[:200]}: {error}; simplify it"
        ) from error
    # Builds with a GBNF grammar have one rule for all free white space.
    return _SPACE_RULE.sub('space ::= ""', grammar)
