"""The run directory: a manifest, a journal, the sessions, a report; one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from pydantic import JsonValue

from focusgroup.agents import OpinionWeight
from focusgroup.agents.llm import Usage
from focusgroup.simulator import ParquetStore, RunStopped, UserError
from focusgroup.simulator.whole_file import TORN, whole_file

from .calibration import Calibration, calibration_from
from .calibration_fields import from_plain
from .scenario import Scenario, scenario_from

MANIFEST = "manifest.json"
SWEEP = "sweep.json"
FORMAT = 1
# What a process may leave that was killed before its run began.
_BEGUN = ("lock", "journal.sqlite", SWEEP + TORN, MANIFEST + TORN)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run is: enough to resume it, and to know what it was run on.

    Attributes:
        scenario: resolved, as plain data.
        journal: path of a shared journal, or "" for the run's own.
        folder: where relative paths and recommenders are looked for.
        split: group -> user ids.
        weights: audience -> fields of the weight of its pooled opinions, as it was learned.
        calibration: the calibration file that was used, as it was read; calibration_fingerprint:
            a hash of it, "" without one.
        paid: prompt, completion and cached tokens, as of the last command that could say.
        started, finished: ISO times, written by the command line; finished is "" until it ends.
    """

    name: str
    scenario: dict[str, object]
    journal: str
    journal_mode: str
    folder: str
    dataset_fingerprint: str
    split: dict[str, list[str]]
    models: dict[str, str]
    versions: dict[str, str]
    started: str
    finished: str = ""
    format: int = FORMAT
    counts: dict[str, int] = field(default_factory=dict)
    paid: dict[str, int] = field(default_factory=dict)
    weights: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    calibration: dict[str, JsonValue] | None = None
    calibration_fingerprint: str = ""

    def read_scenario(self) -> Scenario:
        """The scenario of the run. Raises UserError if this version no longer understands it."""
        return scenario_from(self.scenario, f"manifest of run {self.name!r}")

    def read_paid(self) -> Usage:
        """Tokens of all calls the run has made, journaled or lost. Raises UserError likewise."""
        if not self.paid:  # not yet, or written before this was kept
            return Usage()
        return from_plain(Usage, {**self.paid}, f"manifest of run {self.name!r}: paid")

    def read_calibration(self) -> Calibration | None:
        """The calibration of the run, whatever became of its file. Raises UserError likewise."""
        if self.calibration is None:
            return None
        return calibration_from(self.calibration, f"manifest of run {self.name!r}: calibration")

    def read_weights(self) -> dict[str, OpinionWeight]:
        """The weight of each pooled audience's opinions. Raises UserError likewise."""
        where = f"manifest of run {self.name!r}: weights"
        return {
            name: from_plain(OpinionWeight, weight, f"{where}.{name}")
            for name, weight in self.weights.items()
        }


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A folder that holds one run."""

    path: Path

    @classmethod
    def fresh(cls, path: Path) -> RunDirectory:
        """A folder for a new run. Raises UserError if it holds another run, or other files."""
        if (path / MANIFEST).exists():
            raise UserError(
                f"{path} holds another run. Finish that one with `focusgroup resume {path}`,"
                " or choose another --out."
            )
        if (path / SWEEP).exists():
            raise UserError(
                f"{path} holds a sweep. Finish that one with `focusgroup resume {path}`, or choose"
                " another --out."
            )
        if path.is_dir() and all(entry.name.startswith(_BEGUN) for entry in path.iterdir()):
            return cls(path)  # empty, or killed before anything began: its journal is kept
        if path.exists():
            raise UserError(f"{path} is not an empty folder; choose another --out.")
        return cls(path)

    @classmethod
    def existing(cls, path: Path) -> RunDirectory:
        """The folder of a run that was started. Raises UserError if it holds none."""
        if (path / SWEEP).exists():
            raise UserError(f"{path}: a sweep, not a run; its runs lie in {path / 'sweep'}.")
        if not (path / MANIFEST).exists():
            raise UserError(f"{path}: no run here (no {MANIFEST}). Runs lie in ./runs by default.")
        return cls(path)

    @property
    def journal(self) -> Path:
        return self.path / "journal.sqlite"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def store(self, *, writing: bool) -> ParquetStore:
        """The sessions of the run; write only while the run is locked."""
        return ParquetStore(self.path / "sessions", writing=writing)

    def write(self, manifest: Manifest) -> None:
        """Write the manifest: whole or not at all.

        Raises:
            RunStopped: no room for it; what it said before still stands.
        """
        text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False)
        write_state(self.path / MANIFEST, text)

    def read(self) -> Manifest:
        """The manifest. Raises UserError if it is not one, or from another version."""
        path = self.path / MANIFEST
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            manifest = Manifest(**raw)
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{path}: not a manifest of a run: {error}") from error
        if manifest.format != FORMAT:
            raise UserError(
                f"{path}: written in format {manifest.format}, this version reads {FORMAT}"
            )
        return manifest

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; the lock dies with its owner.

        Raises:
            UserError: another process holds it.
        """
        with self._lock():
            yield

    def _lock(self) -> TextIO:
        """The lock file, locked until it is closed."""
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / "lock").open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.close()
                raise UserError(
                    f"{self.path}: another process is working on this run; wait for it to end."
                ) from error
            # A run that never began takes its lock file away: a lock on that one holds nothing.
            if os.fstat(file.fileno()).st_nlink:
                return file
            file.close()


def write_state(path: Path, text: str) -> None:
    """Write what a run or a sweep is gone on with from, whole or not at all.

    Raises:
        RunStopped: no room for it; what stood there still stands.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise RunStopped(
            f"{path} cannot be written ({error.strerror or error}). Make room on the disk, or in"
            " your quota"
        ) from error
