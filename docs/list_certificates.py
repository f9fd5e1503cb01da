"""Write the certificates of docs/certificates/ into docs/fidelity.md and README.md, as tables."""

from __future__ import annotations

from pathlib import Path

from focusgroup.scenarios.certificates import read_certificate
from focusgroup.simulator.fidelity import ROWS, Row
from focusgroup.simulator.fidelity.certificate import Certificate, decides
from focusgroup.simulator.fidelity.table import figure_text

ROOT = Path(__file__).resolve().parents[1]
FIDELITY, README = ROOT / "docs" / "fidelity.md", ROOT / "README.md"
BEGIN, END = "<!-- certificates: make docs -->", "<!-- end of certificates -->"
# Certificates of the behaviour model alone, in the README beside each other.
SHOWN = ("movies", "groceries", "jester", "jester-final")
ALSO = (
    "persona_contrast",
    "persona_swap",
    "rating_rmse",
    "variance_ratio",
    "popularity_slope",
    "tstr_ratio",
)


def certificates() -> dict[str, Certificate]:
    """Every certificate kept, by the name of its file."""
    paths = sorted((ROOT / "docs" / "certificates").glob("*.json"))
    return {path.stem: read_certificate(path) for path in paths}


def fidelity_page() -> str:
    """docs/fidelity.md as it should be."""
    sections = (_section(name, made) for name, made in certificates().items())
    return _between(FIDELITY, "\n\n".join(sections))


def readme_page() -> str:
    """README.md as it should be."""
    made = certificates()
    shown = [name for name in SHOWN if name in made]
    lines = [
        f"| row | {' | '.join(shown)} | passes with |",
        f"|---|{'---|' * len(shown)}---|",
    ]
    for name in (*(n for n in ROWS if decides(n)), *ALSO):
        cells = " | ".join(_cell(made[each].row(name)) for each in shown)
        lines.append(f"| `{name}` | {cells} | {ROWS[name].passes} |")
    return _between(README, "\n".join(lines))


def _section(name: str, made: Certificate) -> str:
    lines = [
        f"### {name}",
        "",
        f"{made.model}. {made.users.test} test users"
        f"{', kept back until this certificate' if made.final else ''};"
        f" {made.users.calibration} for calibration, {made.users.training} to train recommenders."
        f" {made.questions.shown} questions = {made.questions.answered} answered"
        f" + {made.questions.failed} failed. Rankings are stated for {made.sample} users.",
        "",
        f"`{made.command}`",
        "",
        f"**{made.verdict}**",
        "",
        "| row (* decides) | this simulator | n | verdict | beside it |",
        "|---|---|---|---|---|",
        *(_line(row) for row in made.in_order()),
    ]
    if made.share:
        lines += ["", "What the language model adds:", "", "| what | among | value | n | |"]
        lines.append("|---|---|---|---|---|")
        lines += [
            f"| {one.name} | {one.slice} | {figure_text(one.value, one.low, one.high)} | {one.n}"
            f" | {one.verdict} |"
            for one in made.share
        ]
    return "\n".join(lines)


def _line(row: Row) -> str:
    figure = figure_text(row.value, row.low, row.high) if row.passes is not None else "-"
    verdict = row.verdict if row.passes is None else f"**{row.verdict}**"
    beside = "; ".join(f"{name} {found.mean:.3f}" for name, found in row.baselines.items())
    star = " *" if decides(row.name) else ""
    return f"| `{row.name}`{star} | {figure} | {row.n or '-'} | {verdict} | {beside} |"


def _cell(row: Row) -> str:
    if row.passes is None:
        return "n/a"
    return f"{figure_text(row.value, row.low, row.high)} {'**' + row.verdict + '**'}"


def _between(page: Path, content: str) -> str:
    text = page.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n\n{content}\n\n{END}{after}"


if __name__ == "__main__":
    FIDELITY.write_text(fidelity_page(), encoding="utf-8")
    README.write_text(readme_page(), encoding="utf-8")
