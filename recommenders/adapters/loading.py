"""From a name to someone's own recommender: `module:Class`, `file.py:Class`, or an entry point.

What is named may be a class (called with the parameters; one that takes `seed` gets it unless the
parameters say otherwise), an object with a `recommend` method, or a function from one request to
item ids.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from focusgroup.simulator.errors import UserError, did_you_mean
from focusgroup.simulator.protocols import Recommender

from .callable import CallableRecommender

ENTRY_POINTS = "focusgroup.recommenders"
"""The group under which an installed package announces recommenders."""


def load_recommender(
    spec: str,
    params: Mapping[str, object] | None = None,
    *,
    seed: int = 0,
    folder: Path | None = None,
) -> Recommender:
    """The recommender that `spec` names.

    Args:
        spec: ``package.module:Class`` or ``path/to/file.py:Class``. Its code is run.
        params: keyword arguments of the class.
        folder: where modules and relative files are looked for besides what is installed; the
            working directory if None.

    Raises:
        UserError: no such module, name or parameter, or what it names is no recommender.
    """
    module_name, colon, attribute = spec.rpartition(":")
    if not colon or not module_name or not attribute:
        raise UserError(
            f"{spec!r} does not name a recommender; expected 'module:Class' or 'file.py:Class'."
        )
    folder = Path.cwd() if folder is None else folder
    module = _module(module_name, folder)
    found: object = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            known = [n for n in vars(found) if not n.startswith("_")] if found is module else []
            raise UserError(
                f"{spec!r}: {module_name!r} has no {attribute!r}.{did_you_mean(name, known)}"
            )
        found = getattr(found, name)
    return _build(found, spec, params or {}, seed)


def entry_point_names() -> tuple[str, ...]:
    """The names installed packages announce, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=ENTRY_POINTS)}))


def load_entry_point(
    name: str, params: Mapping[str, object] | None = None, *, seed: int = 0
) -> Recommender:
    """The recommender an installed package announces under this name.

    Raises:
        UserError: nothing has this name, or it cannot be imported or built.
    """
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == name:
            return load_recommender(f"{point.module}:{point.attr}", params, seed=seed)
    raise UserError(
        f"no installed package announces a recommender {name!r} in the entry point group "
        f"{ENTRY_POINTS!r}.{did_you_mean(name, entry_point_names())}"
    )


def _module(name: str, folder: Path) -> ModuleType:
    if name.endswith(".py"):
        return _module_of_file(folder / name)
    # Last, so that nothing installed is shadowed; it stays, for imports the module does later.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise UserError(
                f"importing {name!r} failed: {error}; install what it needs."
            ) from error
        raise UserError(
            f"there is no module {name!r}, neither installed nor in {folder}. "
            "Give a file as 'path/to/file.py:Class'."
        ) from error
    except Exception as error:  # someone else's code may raise anything
        raise UserError(f"importing {name!r} failed: {type(error).__name__}: {error}") from error


def _module_of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"there is no file {path}; expected a Python file with a recommender.")
    name = f"focusgroup_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # someone else's code may raise anything
        del sys.modules[name]
        raise UserError(f"importing {path} failed: {type(error).__name__}: {error}") from error
    return module


def _build(found: object, spec: str, params: Mapping[str, object], seed: int) -> Recommender:
    if inspect.isclass(found):
        found = _instance(found, spec, params, seed)
    elif params:
        raise UserError(
            f"{spec!r} is not a class, so it takes no parameters; got {', '.join(params)}."
        )
    elif inspect.isfunction(found):
        return CallableRecommender(found)
    if not isinstance(found, Recommender):
        raise UserError(
            f"{spec!r} is a {type(found).__name__} without a method recommend(requests); expected "
            "a recommender class or object, or a function from one request to item ids."
        )
    return found


def _instance(cls: type, spec: str, params: Mapping[str, object], seed: int) -> object:
    accepted = inspect.signature(cls).parameters
    arguments = dict(params)
    if "seed" in accepted:
        arguments.setdefault("seed", seed)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    for name in arguments:
        if name not in accepted and not takes_any:
            raise UserError(
                f"{spec!r} has no parameter {name!r}.{did_you_mean(name, accepted.keys())}"
            )
    try:
        return cls(**arguments)
    except Exception as error:  # someone else's code may raise anything
        raise UserError(
            f"{spec!r} could not be built with {arguments}: {type(error).__name__}: {error}"
        ) from error
