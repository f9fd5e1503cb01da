"""What is shown: one algorithm a file. Each answers any user from `request.history` alone.

    from focusgroup.recommenders import check_recommender, make_recommender
    als = make_recommender("als", {"factors": 64}, seed=1)
    als.fit(dataset.interactions, items=dataset.items)
    check_recommender(als, list(dataset.items["item_id"]))

For authors of recommenders: `ItemIndex` and `rank` turn scores into slates that keep the contract.
"""

from .adapters import BatchCallableRecommender, CallableRecommender, load_recommender
from .als import AlsConfig, AlsRecommender
from .bpr import BprConfig, BprRecommender
from .check import check_recommender, recommender_problems
from .content import ContentConfig, ContentRecommender
from .item_index import ItemIndex
from .item_knn import ItemKnnConfig, ItemKnnRecommender
from .popularity import PopularityConfig, PopularityRecommender
from .registry import make_recommender, recommender_names
from .slate import rank
from .uniform import RandomConfig, RandomRecommender

__all__ = [
    "AlsConfig",
    "AlsRecommender",
    "BatchCallableRecommender",
    "BprConfig",
    "BprRecommender",
    "CallableRecommender",
    "ContentConfig",
    "ContentRecommender",
    "ItemIndex",
    "ItemKnnConfig",
    "ItemKnnRecommender",
    "PopularityConfig",
    "PopularityRecommender",
    "RandomConfig",
    "RandomRecommender",
    "check_recommender",
    "load_recommender",
    "make_recommender",
    "rank",
    "recommender_names",
    "recommender_problems",
]
