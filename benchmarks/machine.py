"""What every benchmark prints beside its figures: machine, versions, command."""

from __future__ import annotations

import json
import os
import platform
import sys

from focusgroup.scenarios.outcome import versions


def print_json(results: dict[str, object]) -> None:
    """Print the results with machine, versions and command as one JSON object."""
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
    }
    command = " ".join(["python", *sys.argv])
    report = {"machine": machine, "versions": versions(), "command": command, "results": results}
    print(json.dumps(report, indent=2))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
