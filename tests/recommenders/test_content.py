"""How items' text becomes taste."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from focusgroup.recommenders import ContentRecommender, check_recommender, make_recommender
from focusgroup.recommenders.item_text import tokens
from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import RecRequest


def table(**texts: tuple[str, tuple[str, ...], str]) -> pd.DataFrame:
    rows = [(item_id, *text) for item_id, text in texts.items()]
    return pd.DataFrame(rows, columns=["item_id", "title", "attributes", "description"])


@pytest.fixture
def nobody(world) -> pd.DataFrame:
    return world.interactions.iloc[:0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Matrix (1999)", ["the", "matrix", "1999"]),
        ("Amélie sci-fi", ["amélie", "sci", "fi"]),
        ("霸王别姬", ["霸王", "王别", "别姬"]),
        ("茶 tea茶叶2", ["茶", "tea", "茶叶", "2"]),
        ("...", []),
    ],
)
def test_words(text, expected) -> None:
    assert tokens(text) == expected


def test_title_attributes_and_description_all_count(nobody, likes) -> None:
    items = table(
        a=("Red Lantern", ("science fiction",), "a robot learns"),
        by_title=("Red Sun", (), ""),
        by_attribute=("Other", ("science fiction",), ""),
        by_description=("Else", (), "one robot more"),
        unlike=("Blue", ("drama",), "a sad story"),
    )
    content = ContentRecommender().fit(nobody, items=items)
    (slate,) = content.recommend([RecRequest("u", 4, likes("a"), frozenset({"a"}))])
    assert set(slate.item_ids[:3]) == {"by_title", "by_attribute", "by_description"}


def test_chinese_text_is_compared_without_a_dictionary(nobody, likes) -> None:
    items = table(
        a=("红茶包", (), ""), b=("铁路模型", (), ""), c=("大红茶", (), ""), d=("玩具火车", (), "")
    )
    content = ContentRecommender().fit(nobody, items=items)
    (slate,) = content.recommend([RecRequest("u", 1, likes("a"), frozenset({"a"}))])
    assert slate.item_ids == ("c",)


def test_an_item_without_words_is_shown_last_but_shown(nobody, likes) -> None:
    items = table(a=("tea", (), ""), b=("", (), ""), c=("tea cup", (), ""))
    content = ContentRecommender().fit(nobody, items=items)
    from_text, from_nothing = content.recommend(
        [RecRequest("u", 3, likes("a")), RecRequest("u", 3, likes("b"))]
    )
    assert from_text.item_ids == ("a", "c", "b")
    assert from_nothing.item_ids == ("a", "b", "c")


def test_items_with_text_are_needed(nobody, world) -> None:
    content = ContentRecommender()
    with pytest.raises(UserError, match="needs the table of items"):
        content.fit(world.interactions)
    with pytest.raises(UserError, match="without words in all 2 rows"):
        content.fit(nobody, items=table(a=("", (), ""), b=("!", (), "")))
    with pytest.raises(UserError, match="lack the column 'description'"):
        content.fit(nobody, items=world.items.drop(columns="description"))


def test_embeddings_need_an_extra_that_is_named(world, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "model2vec", None)
    content = make_recommender("content", {"embedding": "some/model"})
    with pytest.raises(UserError, match=r"pip install 'focusgroup\[text\]'"):
        content.fit(world.interactions, items=world.items)


@pytest.fixture
def embedding(tmp_path) -> str:
    """A folder with a static model of six words: the cat's on one axis, the train's on another."""
    model2vec = pytest.importorskip("model2vec", reason="the extra `text` is not installed")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = ["[UNK]", "[PAD]", "whiskers", "purring", "cat", "steam", "railway", "train"]
    tokenizer = Tokenizer(WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    vectors = np.array([[0.01, 0.01], [0, 0], *[[1, 0.1]] * 3, *[[0.1, 1]] * 3], np.float32)
    model2vec.StaticModel(vectors, tokenizer).save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


# model2vec before 0.10 leaves files it writes to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_embeddings_recommend_by_meaning(embedding, world, likes, tmp_path) -> None:
    content = make_recommender("content", {"embedding": embedding})
    content.fit(world.interactions, items=world.items)
    check_recommender(content, world.ids)
    cats, trains = content.recommend(
        [RecRequest("u", 20, likes("cat01")), RecRequest("u", 20, likes("train01"))]
    )
    assert all("cat" in i for i in cats.item_ids)
    assert all("train" in i for i in trains.item_ids)
    content.save(tmp_path / "kept")
    loaded = ContentRecommender.load(tmp_path / "kept")
    assert loaded.recommend([RecRequest("u", 20, likes("cat01"))]) == [cats]


def test_a_model_that_cannot_be_loaded_is_named(world, tmp_path) -> None:
    pytest.importorskip("model2vec", reason="the extra `text` is not installed")
    (tmp_path / "empty").mkdir()
    content = make_recommender("content", {"embedding": str(tmp_path / "empty")})
    with pytest.raises(UserError, match="cannot load the embedding model"):
        content.fit(world.interactions, items=world.items)
