"""What every benchmark prints beside its figures: machine, versions, command."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from focusgroup.scenarios.outcome import versions


@dataclass(frozen=True)
class Bar:
    """What a figure is held to: at least, or at most, so much."""

    what: str
    measured: float
    sense: Literal[">=", "<="]
    bar: float
    unit: str

    def judged(self) -> dict[str, object]:
        """As JSON, with whether it is met."""
        met = self.measured >= self.bar if self.sense == ">=" else self.measured <= self.bar
        return {
            "what": self.what,
            "measured": self.measured,
            "bar": f"{self.sense} {self.bar:,g} {self.unit}",
            "met": met,
        }


def print_json(results: dict[str, object], bars: Sequence[Bar] = ()) -> None:
    """Print results and bars with machine, versions and command as one JSON object."""
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
    }
    command = " ".join(["python", *sys.argv])
    report: dict[str, object] = {
        "machine": machine,
        "versions": versions(),
        "command": command,
        "results": results,
    }
    if bars:
        report["bars"] = [bar.judged() for bar in bars]
    print(json.dumps(report, indent=2))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
