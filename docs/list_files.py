"""Write the list of files in docs/architecture.md from the first line of each file's docstring."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- files: make docs -->", "<!-- end of files -->"
PACKAGES = ("simulator", "agents", "recommenders", "scenarios")


def file_list() -> str:
    """One heading a folder, one line a file."""
    lines: list[str] = []
    for package in PACKAGES:
        folders = sorted({path.parent for path in (ROOT / package).rglob("*.py")})
        for folder in folders:
            lines += [
                "",
                f"### {folder.relative_to(ROOT)}/",
                "",
                _first_line(folder / "__init__.py"),
            ]
            files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
            if files:
                lines += ["", "| file | what it is |", "|---|---|"]
            lines += [f"| `{path.name}` | {_first_line(path)} |" for path in files]
    return "\n".join(lines).strip()


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = docstring.split("\n\n")[0].replace("\n", " ")
    return first.replace("|", "\\|")


def page() -> str:
    """docs/architecture.md as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n\n{file_list()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
