"""Recommenders that live elsewhere."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest

from focusgroup.recommenders import (
    BatchCallableRecommender,
    CallableRecommender,
    check_recommender,
    load_recommender,
    make_recommender,
    recommender_names,
)
from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import RecRequest, Slate

IDS = [f"i{n:02d}" for n in range(30)]

SOURCE = '''
from focusgroup.simulator.types import Slate

class Shop:
    """Allowed items of the catalogue, from the end."""
    def __init__(self, size=30, *, seed=0):
        self.size, self.seed = size, seed
        if size < 1:
            raise ValueError("size must be positive")
    def recommend(self, requests):
        return [Slate(answer(r, self.size)) for r in requests]

def answer(request, size=30):
    ids = [f"i{n:02d}" for n in reversed(range(size))]
    if request.candidates is not None:
        ids = [i for i in ids if i in request.candidates]
    return tuple(i for i in ids if i not in request.exclude)[: request.k]

ready = Shop(20)
nothing = 3
'''


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A module `my_shop` in a folder of its own, forgotten afterwards."""
    (tmp_path / "my_shop.py").write_text(SOURCE)
    (tmp_path / "broken_shop.py").write_text("import not_there_at_all\n")
    (tmp_path / "raising_shop.py").write_text("raise RuntimeError('closed')\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [n for n in sys.modules if n.endswith("_shop")]:
        del sys.modules[name]


def allowed(request: RecRequest) -> list[str]:
    ids = IDS if request.candidates is None else sorted({*request.candidates} & {*IDS})
    return [i for i in ids if i not in request.exclude][: request.k]


def test_a_function_is_a_recommender() -> None:
    check_recommender(CallableRecommender(allowed), IDS)
    check_recommender(CallableRecommender(lambda r: Slate(tuple(allowed(r)))), IDS)


def test_a_function_of_a_batch_is_a_recommender() -> None:
    check_recommender(BatchCallableRecommender(lambda batch: [allowed(r) for r in batch]), IDS)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("i01", "'i01' .str.; expected a Slate or a list"),
        (None, "None .NoneType.; expected a Slate or a list"),
        (["i01", 7], "7 .int. in slot 2; item ids are strings"),
    ],
)
def test_a_function_that_returns_something_else_is_named(answer, message) -> None:
    def mine(request):
        return answer

    with pytest.raises(UserError, match=f"mine' answered user 'u' with {message}"):
        CallableRecommender(mine).recommend([RecRequest("u", 2)])


def test_a_batch_function_must_answer_every_request() -> None:
    with pytest.raises(UserError, match="returned 0 answers to 1 requests"):
        BatchCallableRecommender(lambda batch: []).recommend([RecRequest("u", 2)])


@pytest.mark.parametrize("spec", ["my_shop:Shop", "my_shop.py:Shop", "my_shop:answer"])
def test_a_name_becomes_a_recommender(shop, spec) -> None:
    check_recommender(load_recommender(spec, folder=shop), IDS)


def test_an_object_is_taken_as_it_is(shop) -> None:
    assert load_recommender("my_shop:ready", folder=shop).size == 20


def test_modules_are_found_in_the_working_directory(shop, monkeypatch) -> None:
    monkeypatch.chdir(shop)
    made = make_recommender("my_shop:Shop", {"size": 12}, seed=5)
    assert made.size == 12
    assert made.seed != 0  # derived from the run's seed
    assert make_recommender("my_shop:Shop", {"seed": 8}, seed=5).seed == 8


@pytest.mark.parametrize(
    ("spec", "params", "message"),
    [
        ("my_shop", {}, "expected 'module:Class'"),
        ("no_such_shop:Shop", {}, "there is no module 'no_such_shop'"),
        ("no_such_shop.py:Shop", {}, "there is no file .*no_such_shop.py"),
        ("broken_shop:Shop", {}, "No module named 'not_there_at_all'; install"),
        ("raising_shop:Shop", {}, "RuntimeError: closed"),
        ("raising_shop.py:Shop", {}, "RuntimeError: closed"),
        ("my_shop:Shopp", {}, "has no 'Shopp'. Did you mean 'Shop'"),
        ("my_shop:Shop", {"sise": 3}, "no parameter 'sise'. Did you mean 'size'"),
        ("my_shop:Shop", {"size": -1}, "ValueError: size must be positive"),
        ("my_shop:nothing", {}, "is a int without a method recommend"),
        ("my_shop:answer", {"size": 3}, "takes no parameters; got size"),
    ],
)
def test_a_wrong_name_says_what_to_do(shop, spec, params, message) -> None:
    with pytest.raises(UserError, match=message):
        load_recommender(spec, params, folder=shop)


def test_installed_packages_announce_recommenders(shop, monkeypatch) -> None:
    point = EntryPoint("their_shop", "my_shop:Shop", "focusgroup.recommenders")
    monkeypatch.setattr(
        "focusgroup.recommenders.adapters.loading.entry_points",
        lambda group: [point] if group == point.group else [],
    )
    monkeypatch.chdir(shop)
    assert recommender_names()[-1] == "their_shop"
    check_recommender(make_recommender("their_shop", {"size": 25}), IDS[:25])
    with pytest.raises(UserError, match="Did you mean 'their_shop'"):
        make_recommender("their_shops")
