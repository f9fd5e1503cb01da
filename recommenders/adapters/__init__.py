"""Recommenders that live elsewhere: in a Python function, or in someone's own module."""

from .callable import BatchCallableRecommender, CallableRecommender
from .loading import ENTRY_POINTS, entry_point_names, load_entry_point, load_recommender

__all__ = [
    "ENTRY_POINTS",
    "BatchCallableRecommender",
    "CallableRecommender",
    "entry_point_names",
    "load_entry_point",
    "load_recommender",
]
