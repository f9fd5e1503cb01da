"""Interaction logs: the tables, what they mean, how they are read and how they are split."""

from __future__ import annotations

from .check import CheckReport, check_dataset
from .dataset import INTERACTION_COLUMNS, ITEM_COLUMNS, Dataset
from .describe import Description, describe
from .frames import from_csv, from_frames
from .problems import BadDataset, Problem, ProblemKind
from .registry import list_datasets, load_dataset
from .splits import UserSplit, split_history, split_users

__all__ = [
    "INTERACTION_COLUMNS",
    "ITEM_COLUMNS",
    "BadDataset",
    "CheckReport",
    "Dataset",
    "Description",
    "Problem",
    "ProblemKind",
    "UserSplit",
    "check_dataset",
    "describe",
    "from_csv",
    "from_frames",
    "list_datasets",
    "load_dataset",
    "split_history",
    "split_users",
]
