"""Write what docs/benchmarks/ holds into docs/performance.md: every figure with its bar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
KEPT = ROOT / "docs" / "benchmarks"
BEGIN, END = "<!-- benchmarks: make docs -->", "<!-- end of benchmarks -->"


def performance_page() -> str:
    """docs/performance.md as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.index(BEGIN) + len(BEGIN), text.index(END)
    return f"{text[:before]}\n\n{_tables()}\n\n{text[after:]}"


def _tables() -> str:
    reports = {path.stem: json.loads(path.read_text()) for path in sorted(KEPT.glob("*.json"))}
    return "\n\n".join(_table(name, one) for name, one in reports.items() if "bars" in one)


def _table(name: str, report: dict[str, Any]) -> str:
    machine = report["machine"]
    lines = [
        f"### {name}",
        "",
        f"`{report['command']}` on {machine['cores']} cores ({machine['processor']}),"
        f" Python {report['versions']['python']}. [JSON](benchmarks/{name}.json)",
        "",
        "| what | measured | held to | met |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {bar['what']} | {_number(bar['measured'])} | {bar['bar']}"
        f" | {'yes' if bar['met'] else '**no**'} |"
        for bar in report["bars"]
    ]
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


if __name__ == "__main__":
    PAGE.write_text(performance_page(), encoding="utf-8", newline="\n")
