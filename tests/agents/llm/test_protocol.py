"""The journal key of a request: what stored journals were written with stays what is looked for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from focusgroup.agents.llm import CompletionRequest, Message
from focusgroup.agents.llm.protocol import schema_texts

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
REQUESTS = st.builds(
    CompletionRequest,
    messages=st.lists(st.builds(Message, st.sampled_from(["system", "user"]), TEXT)).map(tuple),
    schema=st.none() | st.dictionaries(TEXT, JSON, max_size=3),
    max_tokens=st.integers(1, 10**6),
    temperature=st.floats(0, 2) | st.integers(0, 2),
    top_logprobs=st.integers(0, 20),
    seed=st.integers(0, 2**63),
    attempt=st.integers(0, 9),
    replicate=st.integers(0, 9),
)


def canonical(request: CompletionRequest, fingerprint: str) -> str:
    """The definition: the hash of a canonical JSON object of all fields and the model."""
    parts = {field.name: getattr(request, field.name) for field in fields(request)}
    parts["messages"] = [[m.role, m.content] for m in request.messages]
    parts["model"] = fingerprint
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


@given(REQUESTS, TEXT)
def test_a_key_is_the_hash_of_the_canonical_request(request, fingerprint):
    assert request.key(fingerprint) == canonical(request, fingerprint)


def test_a_key_of_old_is_still_the_key():
    request = CompletionRequest(
        (Message("system", "Sie sind Änne."), Message("user", 'Die "Seite":\n1. A')),
        schema={"type": "object", "properties": {"stay": {"type": "boolean"}}},
        temperature=0.7,
        seed=2**62,
    )
    assert request.key("m@r") == "b43fbbcc87524dc8edcc0e4ff8da05dac54aa76b"


def test_schemas_that_are_equal_and_not_the_same_have_texts_of_their_own():
    first, second = {"b": 1, "a": 2}, {"a": 2, "b": 1}
    assert schema_texts(first) == ('{"b":1,"a":2}', '{"a":2,"b":1}')
    assert schema_texts(second) == ('{"a":2,"b":1}', '{"a":2,"b":1}')
    for n in range(1000):  # ids of objects that are gone come again
        assert schema_texts({"n": n}) == (f'{{"n":{n}}}',) * 2
    assert schema_texts(None) == ("null", "null")
    request = CompletionRequest((Message("user", "x"),), schema=first)
    assert request.key("m") == replace(request, schema=second).key("m")
