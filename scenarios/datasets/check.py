"""A dry reading of a dataset: everything that is wrong with its files, not just the first thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from focusgroup.simulator.errors import UserError

from .describe import Description, describe
from .problems import BadDataset, Problem, ProblemKind
from .registry import load_dataset


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found; `str()` is the text for a terminal.

    Attributes:
        problems: the first ones by file and row (at most 20).
        counts: how many there are of each kind, in all.
        rows: rows read per file; empty if all is well.
        fatal: why nothing could be read (a missing file, a wrong mapping), "" otherwise.
        description: the dataset, if all is well.
    """

    name: str
    problems: tuple[Problem, ...] = ()
    counts: Mapping[ProblemKind, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    fatal: str = ""
    description: Description | None = None

    @property
    def ok(self) -> bool:
        """Whether the dataset can be used."""
        return self.description is not None

    def __str__(self) -> str:
        if self.description is not None:
            return f"{self.name}: no problems found\n{self.description}"
        if self.fatal:
            return self.fatal
        total = sum(self.counts.values())
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.counts.items()))
        lines = [f"{self.name}: {total:,} problem{'s' * (total != 1)} ({kinds})"]
        lines += [f"  {problem}" for problem in self.problems]
        if total > len(self.problems):
            lines.append(f"  ... and {total - len(self.problems):,} more")
        lines += [f"  rows read from {file}: {rows:,}" for file, rows in self.rows.items()]
        return "\n".join(lines)


def check_dataset(name_or_path: str | Path, data_dir: str | Path | None = None) -> CheckReport:
    """Read the dataset as `load_dataset` would and report on it instead of raising."""
    name = str(name_or_path)
    try:
        dataset = load_dataset(name_or_path, data_dir)
    except BadDataset as bad:
        return CheckReport(name, bad.problems, bad.counts, bad.rows)
    except UserError as error:
        return CheckReport(name, fatal=str(error))
    return CheckReport(name, description=describe(dataset))
