"""Whatever comes from outside stays text: in HTML, in script data and in plot labels."""

from __future__ import annotations

import json
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.simulator.report.markup import (
    clean,
    join,
    outside,
    plot_text,
    script_json,
    tag,
)

HOSTILE = st.text(
    alphabet=st.one_of(
        st.characters(), st.sampled_from("<>&\"'/=`-! \u202e\u2066\u0000\u001b\ufeffscripton")
    ),
    max_size=60,
)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> _Reader:
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader


@given(HOSTILE, HOSTILE)
def test_any_text_stays_text_and_any_attribute_stays_its_value(text: str, value: str) -> None:
    reader = read(tag("p", text, title=value))
    assert reader.tags == [("p", [("title", clean(value))])]
    assert reader.text == clean(text)


@given(HOSTILE)
def test_no_unseen_character_survives(text: str) -> None:
    shown = str(outside(text))
    shown.encode("utf-8")
    bidi = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not any(unicodedata.bidirectional(c) in bidi for c in shown)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in shown)


def test_an_unseen_character_is_spelled_out() -> None:
    assert clean("gpj\u202eexe\x00") == "gpj[U+202E]exe[U+0000]"
    assert clean("two\r\nlines\tand 日本語 עברית é 👍🏽") == "two\nlines\tand 日本語 עברית é 👍🏽"


@given(st.recursive(HOSTILE, lambda inner: st.lists(inner) | st.dictionaries(HOSTILE, inner)))
def test_script_data_round_trips_and_cannot_close_its_element(value: object) -> None:
    written = script_json(value)
    assert json.loads(written) == value
    assert not set("<>&\u2028\u2029") & set(written)


def test_script_data_refuses_what_is_not_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json([float("nan")])


@given(HOSTILE)
def test_plot_labels_hold_no_tag_that_plotly_would_obey(text: str) -> None:
    assert "<" not in plot_text(text)
    assert ">" not in plot_text(text)


def test_markup_is_placed_as_it_is_and_plain_text_is_not() -> None:
    assert join([tag("b", "a"), "<i>"], " & ") == "<b>a</b> &amp; &lt;i&gt;"
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert tag("p", class_="x", aria_label="y", title=None) == '<p class="x" aria-label="y"></p>'


def test_long_text_is_cut_visibly() -> None:
    assert outside("a" * 50, 10) == "<bdi>aaaaaaaaa…</bdi>"
    assert plot_text("b" * 50, 5) == "bbbb…"
