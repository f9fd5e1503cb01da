"""From the name of an algorithm to a recommender."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import ValidationError

from focusgroup.simulator.errors import UserError, did_you_mean
from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.protocols import Recommender

from .adapters import entry_point_names, load_entry_point, load_recommender
from .als import AlsConfig, AlsRecommender
from .bpr import BprConfig, BprRecommender
from .config import AlgorithmConfig
from .content import ContentConfig, ContentRecommender
from .item_knn import ItemKnnConfig, ItemKnnRecommender
from .popularity import PopularityConfig, PopularityRecommender
from .uniform import RandomConfig, RandomRecommender

_Config = TypeVar("_Config", bound=AlgorithmConfig)
_Factory = Callable[[Mapping[str, object], int], Recommender]


def _algorithm(
    name: str, config: type[_Config], build: Callable[[_Config], Recommender]
) -> tuple[str, _Factory]:
    def factory(params: Mapping[str, object], seed: int) -> Recommender:
        return build(_parsed(name, config, params, seed))

    return name, factory


_BUILT_IN: Mapping[str, _Factory] = dict(
    (
        _algorithm("random", RandomConfig, RandomRecommender),
        _algorithm("popularity", PopularityConfig, PopularityRecommender),
        _algorithm("item_knn", ItemKnnConfig, ItemKnnRecommender),
        _algorithm("als", AlsConfig, AlsRecommender),
        _algorithm("bpr", BprConfig, BprRecommender),
        _algorithm("content", ContentConfig, ContentRecommender),
    )
)


def recommender_names() -> tuple[str, ...]:
    """Every name `make_recommender` knows: built in, then announced by installed packages."""
    announced = tuple(name for name in entry_point_names() if name not in _BUILT_IN)
    return tuple(_BUILT_IN) + announced


def make_recommender(
    name: str, params: Mapping[str, object] | None = None, *, seed: int = 0
) -> Recommender:
    """An untrained recommender.

    Args:
        name: one of `recommender_names` (built-in names win), or ``module:Class`` or
            ``file.py:Class``, see `load_recommender`.
        params: of the algorithm, e.g. ``{"factors": 64}``.
        seed: of the run; what the algorithm uses is derived from it and the name, unless `params`
            has a `seed`.

    Raises:
        UserError: unknown name or parameter (with a guess at what was meant), or a bad value.
    """
    params = params or {}
    own_seed = derive_seed("recommender", name, seed)
    if name in _BUILT_IN:
        return _BUILT_IN[name](params, own_seed)
    if ":" in name:
        return load_recommender(name, params, seed=own_seed)
    known = recommender_names()
    if name not in known:
        raise UserError(
            f"unknown recommender {name!r}.{did_you_mean(name, known)} "
            "Your own is named 'module:Class' or 'file.py:Class'."
        )
    return load_entry_point(name, params, seed=own_seed)


def _parsed(name: str, config: type[_Config], params: Mapping[str, object], seed: int) -> _Config:
    fields = config.model_fields
    for key in params:
        if key not in fields:
            hint = did_you_mean(key, fields) or " It takes none."
            raise UserError(f"recommender {name!r} has no parameter {key!r}.{hint}")
    given = {"seed": seed, **params} if "seed" in fields else dict(params)
    try:
        return config.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(
            f"parameter {'.'.join(map(str, e['loc']))!r} is {e['input']!r}: {e['msg'].lower()}"
            for e in error.errors()
        )
        raise UserError(f"recommender {name!r}: {problems}.") from error
