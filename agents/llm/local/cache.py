"""Where models and their hashes are kept between runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_dir() -> Path:
    """`$FOCUSGROUP_CACHE`, else `focusgroup` in the platform's cache directory of this user."""
    if own := os.environ.get("FOCUSGROUP_CACHE"):
        return Path(own).expanduser().absolute()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "focusgroup"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "focusgroup"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "focusgroup"
    return Path.home() / ".cache" / "focusgroup"
