"""A Hugging Face model on this machine: its folder, and the name its answers are filed under."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from focusgroup.simulator.errors import UserError

from .filehash import file_sha256

# Weights only as safetensors: other formats are pickles, which run code when they are read.
_FILES = ("*.safetensors", "*.json", "*.jinja", "tokenizer*", "*.model", "merges.txt", "vocab.txt")
_COPIES = ("original/*", "consolidated*", "onnx/*", "openvino/*")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's folder.

    Attributes:
        fingerprint: hub name and commit, or folder name and hash of the files; never a path.
    """

    folder: Path
    fingerprint: str


def find_checkpoint(model: str, revision: str | None = None) -> Checkpoint:
    """The folder `model`, or the hub's OWNER/REPO, downloaded where it is not in the hub's cache.

    Raises:
        UserError: no such folder or repository, or no safetensors in it.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        _check(folder, model)
        return Checkpoint(folder, f"{folder.resolve().name}@sha256:{_folder_sha256(folder)}")
    if folder.exists():
        raise UserError(
            f"model {model!r} is a file; give the folder it lies in, or embedded:{model} for GGUF"
        )
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise UserError(
            f"model {model!r}: no such folder, and no repository of the hub; write OWNER/REPO or "
            "the path of a folder with config.json, tokenizer and *.safetensors"
        )
    found = _fetch(model, revision)
    _check(found, model)
    # The hub's cache names a snapshot by its commit.
    return Checkpoint(found, f"{model}@{found.name}")


def with_options(fingerprint: str, options: Mapping[str, object]) -> str:
    """The fingerprint of a model whose answers these options change, say by quantising it."""
    if not options:
        return fingerprint
    said = ",".join(f"{name}={value}" for name, value in sorted(options.items()))
    return f"{fingerprint}+{said}"


def _fetch(model: str, revision: str | None) -> Path:
    try:
        from huggingface_hub import constants, snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise UserError(
            "models of the Hugging Face hub need huggingface_hub: pip install 'focusgroup[hub]'"
        ) from error
    try:
        folder = snapshot_download(
            model,
            revision=revision,
            allow_patterns=list(_FILES),
            ignore_patterns=list(_COPIES),
        )
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"model {model!r} is not on this machine and {constants.ENDPOINT} cannot be reached; "
            "check the network (HF_ENDPOINT, HF_HUB_OFFLINE), or give the folder of the model"
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:300]
        raise UserError(
            f"model {model!r}: {constants.ENDPOINT} does not give it ({said}); check the name; a "
            "private or gated one needs HF_TOKEN"
        ) from error
    return Path(folder)


def _check(folder: Path, model: str) -> None:
    for pattern in ("config.json", "*.safetensors"):
        if not any(folder.glob(pattern)):
            raise UserError(
                f"model {model!r}: no {pattern} in {folder}; it takes a Hugging Face folder with "
                "config.json, tokenizer and *.safetensors"
            )


def _folder_sha256(folder: Path) -> str:
    """One digest of the files that make the answers, in whatever order a disk lists them."""
    files = {path for pattern in _FILES for path in folder.glob(pattern) if path.is_file()}
    whole = hashlib.sha256()
    for path in sorted(files, key=lambda one: one.name):
        whole.update(f"{path.name}\x1f{file_sha256(path)}\n".encode())
    return whole.hexdigest()
