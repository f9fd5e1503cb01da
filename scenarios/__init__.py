"""Experiments: a scenario or a few lines of Python, run on a log, reported and exported."""

from .datasets import Dataset, from_csv, from_frames, list_datasets, load_dataset
from .focus_group import FocusGroup, focus_group
from .library import find_scenario, library_names
from .scenario import Scenario, read_scenario

__all__ = [
    "Dataset",
    "FocusGroup",
    "Scenario",
    "find_scenario",
    "focus_group",
    "from_csv",
    "from_frames",
    "library_names",
    "list_datasets",
    "load_dataset",
    "read_scenario",
]
