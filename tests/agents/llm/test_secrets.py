"""A key that a server repeats goes nowhere, however the server's JSON writes it."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from focusgroup.agents.llm.server.secrets import Secrets

KEY = "sk-live/abc+DEF/0123456789=="


@pytest.mark.parametrize(
    "said",
    [
        KEY,
        KEY.replace("/", "\\/"),
        KEY.replace("+", "\\u002B").replace("=", "\\u003d"),
        json.dumps(json.dumps(KEY.replace("/", "\\/"))),
        "".join(f"\\u{ord(one):04x}" for one in KEY),
    ],
)
def test_a_key_is_found_in_every_spelling(said: str) -> None:
    body = Secrets([KEY]).out_of_body(f'{{"why": "{said} is it"}}'.encode())
    assert b"***" in body
    assert b"abc" not in body
    assert b"0123456789" not in body


@given(st.text(max_size=40))
def test_json_without_the_key_is_left_alone(text: str) -> None:
    body = json.dumps({"why": text}).encode()
    assert Secrets([KEY, "EMPTY"]).out_of_body(body) == body


@given(st.text(max_size=10), st.text(max_size=10))
@example("\\", "")
def test_json_with_the_key_stays_json(before: str, after: str) -> None:
    body = json.dumps({"why": before + KEY + after}).encode()
    left = before.rstrip("\\")  # a backslash before the key may be part of how it is spelled
    assert json.loads(Secrets([KEY]).out_of_body(body)) == {"why": f"{left}***{after}"}
