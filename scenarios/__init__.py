"""Experiments: a scenario or a few lines of Python, run on a log, reported and exported.

What is named here is loaded when it is first used, so that the command can see to signals before
anything heavy is imported.
"""

from importlib import import_module

TYPE_CHECKING = False  # what type checkers take for true, without loading typing

if TYPE_CHECKING:
    from .datasets import Dataset, from_csv, from_frames, list_datasets, load_dataset
    from .library import find_scenario, library_names
    from .python_door import FocusGroup, focus_group
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

if not TYPE_CHECKING:
    _HOMES = {
        "datasets": ("Dataset", "from_csv", "from_frames", "list_datasets", "load_dataset"),
        "library": ("find_scenario", "library_names"),
        "python_door": ("FocusGroup", "focus_group"),
        "scenario": ("Scenario", "read_scenario"),
    }

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f".{home}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
