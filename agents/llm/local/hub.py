"""Files of the Hugging Face hub, kept in the hub's own cache (HF_HOME, HF_ENDPOINT are obeyed)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from focusgroup.simulator.errors import UserError

_NAME = re.compile(r"(?P<repo>[^/@\s]+/[^/@\s]+)(@(?P<revision>[^/\s]+))?/(?P<file>\S.*)")


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of one repository; `revision` is a branch, tag or commit."""

    repo: str
    file: str
    revision: str = "main"

    def __str__(self) -> str:
        at = "" if self.revision == "main" else f"@{self.revision}"
        return f"hf:{self.repo}{at}/{self.file}"


def parse_hub_name(name: str) -> HubFile:
    """`OWNER/REPO/FILE` or `OWNER/REPO@REVISION/FILE`; FILE may lie in a folder.

    Raises:
        UserError: it is written otherwise.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise UserError(
            f"hf:{name} names no file of the hub; write hf:OWNER/REPO/FILE, for example "
            "hf:Qwen/Qwen2.5-1.5B-Instruct-GGUF/qwen2.5-1.5b-instruct-q4_k_m.gguf"
        )
    return HubFile(match["repo"], match["file"], match["revision"] or "main")


def find_in_hub_cache(file: HubFile) -> Path | None:
    """The file if it has been downloaded before; no network.

    Raises:
        UserError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError as error:
        raise _missing_library() from error
    try:
        found = try_to_load_from_cache(file.repo, file.file, revision=file.revision)
    except ValueError as error:
        raise UserError(f"{file}: {error}") from error
    # The library marks files known to be absent with an object of its own.
    return Path(found) if isinstance(found, str) else None


def fetch_from_hub(file: HubFile, *, progress: bool = False) -> Path:
    """The file, downloaded unless it is cached.

    Raises:
        UserError: huggingface_hub is not installed, or the hub does not give the file.
    """
    if (cached := find_in_hub_cache(file)) is not None:
        return cached
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    shown = not are_progress_bars_disabled()
    if not progress:
        disable_progress_bars()
    try:
        return Path(hf_hub_download(file.repo, file.file, revision=file.revision))
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:300]
        raise UserError(
            f"{file}: {constants.ENDPOINT} does not give it ({said}); check the name and the "
            "network; a private or gated one needs HF_TOKEN"
        ) from error
    finally:
        if shown and not progress:
            enable_progress_bars()


def _missing_library() -> UserError:
    return UserError(
        "models of the Hugging Face hub need huggingface_hub: pip install 'focusgroup[hub]'"
    )
