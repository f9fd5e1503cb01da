"""The transformers backend's plain logic; with a real model it is tested in tests/servers."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.agents.llm import open_llm, parse_llm
from focusgroup.agents.llm.local import transformers as backend
from focusgroup.agents.llm.local.beginning import common_beginning
from focusgroup.simulator.errors import UserError

TOKENS = st.lists(st.integers(0, 2), max_size=6)


@pytest.fixture
def installed(monkeypatch):
    """As if the libraries were there: what is checked before they are loaded."""
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: object())


@given(st.lists(TOKENS, min_size=1, max_size=4))
def test_the_common_beginning_is_the_longest(prompts):
    found = common_beginning(prompts)
    assert all(one[: len(found)] == found for one in prompts)
    longer = {tuple(one[: len(found) + 1]) for one in prompts}
    assert len(longer) > 1 or found in prompts


def test_a_typo_in_an_option_is_said(installed):
    with pytest.raises(UserError, match=r"no option 'devise'\. Did you mean 'device'"):
        open_llm(parse_llm("transformers:org/model?devise=cpu"))


@pytest.mark.parametrize("batch", ["0", "1.5", "many"])
def test_a_batch_is_a_whole_number(installed, batch):
    with pytest.raises(UserError, match="it takes a whole number from 1"):
        open_llm(parse_llm(f"transformers:org/model?batch={batch}"))


@pytest.mark.skipif(
    importlib.util.find_spec("llguidance") is not None, reason="the libraries are installed"
)
def test_without_the_libraries_the_error_says_what_to_install():
    with pytest.raises(UserError, match=r"pip install 'focusgroup\[transformers\]'"):
        open_llm(parse_llm("transformers:org/model"))
