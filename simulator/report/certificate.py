"""The fidelity certificate as one page that opens offline: no script, no request."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from string import Template

from focusgroup.simulator.fidelity import Certificate, Row
from focusgroup.simulator.fidelity.certificate import decides

from .certificate_rows import number, row_card, tiles, unknown_list
from .file import part, write_whole
from .markup import LIMIT, Html, cut, escape, join, outside, tag
from .values import count
from .view import table

_LIMITS = (
    "It speaks of this data, this model and this configuration, by their fingerprints, and of "
    "nothing else.",
    "It compares simulated choices with recorded ones. What people would have done with items "
    "they were never shown is in no log.",
    "How a visit goes on, page after page, and when a user leaves, is assumed wherever the log has "
    "no pages.",
    "A row that passes has not been refuted on so many users. That is all a test can say.",
)


def write_certificate(certificate: Certificate, path: Path) -> None:
    """Write the page to `path`, whole or not at all; see `render_certificate`.

    Raises:
        UserError: the file cannot be written there.
    """
    write_whole(render_certificate(certificate), path, "certificate")


def render_certificate(certificate: Certificate) -> str:
    """The certificate as one HTML document of its own, about 60 KB, the same bytes for the same
    certificate. Texts from outside are escaped; the document's policy forbids any script."""
    sections = [
        (anchor, title, body)
        for anchor, title, body in (
            ("verdict", "The verdict", _verdict(certificate)),
            ("deciding", "Rows that decide", _cards(_known(certificate, deciding=True))),
            ("explaining", "Rows that explain", _cards(_known(certificate, deciding=False))),
            ("share", "What the language model adds", _share(certificate)),
            ("unknown", "Not known here", _unknown(certificate)),
            ("limits", "What these figures do not prove", _limits()),
            ("asked", "Who was asked what", _asked(certificate)),
        )
        if body
    ]
    c = certificate
    run = (
        join(["data ", tag("b", outside(c.dataset, 60))]),
        join(["test users ", tag("b", count(c.users.test))]),
        join(["seed ", tag("b", str(c.seed))]),
        join([tag("b", "final" if c.final else "not final")]),
    )
    return Template(part("certificate.html")).substitute(
        title=escape(f"Fidelity certificate of {cut(c.dataset, 60)}"),
        style=part("report.css") + part("certificate.css"),
        heading=join(["Can these users be believed? ", outside(c.dataset, 60)]),
        run=join(tag("span", piece) for piece in run),
        contents=join(tag("li", tag("a", title, href=f"#{name}")) for name, title, _ in sections),
        body=join(
            tag("section", tag("h2", title), body, id=name) for name, title, body in sections
        ),
    )


def _known(certificate: Certificate, *, deciding: bool) -> list[Row]:
    return [
        row
        for row in certificate.in_order()
        if decides(row.name) == deciding and row.passes is not None
    ]


def _verdict(certificate: Certificate) -> Html:
    c = certificate
    kept = (
        "The users kept back for the end were read for this certificate."
        if c.final
        else "Not final: a share of the test users is kept back, and nobody has looked at them yet."
    )
    lost = f", {count(c.questions.failed)} of them failed" if c.questions.failed else ""
    sample = (
        f" Rankings of recommenders are stated for {count(c.sample)} users." if c.sample else ""
    )
    return tag(
        "article",
        tag("p", c.verdict, class_="verdict"),
        tag("p", "Answered by ", tag("b", outside(c.model, 200)), class_="model"),
        tag("p", f"{count(c.questions.shown)} questions{lost}. {kept}{sample}", class_="size"),
        tiles(c.deciding()),
        class_="card",
    )


def _cards(rows: Iterable[Row]) -> Html:
    return join(row_card(row) for row in rows)


def _unknown(certificate: Certificate) -> Html:
    rows = [row for row in certificate.in_order() if row.passes is None]
    if not rows:
        return escape("")
    lead = "What this data or this model cannot tell is left open here, and never guessed."
    drawn = [row for row in rows if row.baselines]
    return join([tag("p", lead), unknown_list(rows), _cards(drawn)])


def _share(certificate: Certificate) -> Html:
    if not certificate.share:
        return escape("")
    lines = (
        tag(
            "tr",
            tag("th", outside(line.name, 120), scope="row"),
            tag("td", outside(line.slice, 120)),
            tag("td", number(line.value), class_="number"),
            tag("td", f"[{number(line.low)}, {number(line.high)}]", class_="number"),
            tag("td", count(line.n), class_="number"),
            tag("td", outside(line.verdict, 200)),
        )
        for line in certificate.share
    )
    head = ("What", "Where", "Figure", "95\u00a0% interval", "n", "Verdict")
    lead = tag(
        "p",
        "The same questions, answered by the statistics alone, by the language model alone, and by "
        "both: a model earns its place only where both are better than the better of the two.",
    )
    return join([lead, table(head, lines, "Statistics, language model, and both")])


def _limits() -> Html:
    return tag("ul", join(tag("li", sentence) for sentence in _LIMITS))


def _asked(certificate: Certificate) -> Html:
    c = certificate
    groups = [
        ("simulated", count(c.users.test)),
        ("calibrated on", count(c.users.calibration)),
        ("recommenders trained on", count(c.users.training)),
    ]
    questions = [
        ("shown", count(c.questions.shown)),
        ("= answered", count(c.questions.answered)),
        ("+ failed", count(c.questions.failed)),
    ]
    prints = [
        ("data", c.fingerprints.data),
        ("model", c.fingerprints.model),
        ("configuration", c.fingerprints.configuration),
        *sorted(c.configuration.items()),
    ]
    blocks = [
        tag("h3", "Users, no one in two groups"),
        pairs(groups),
        tag("h3", "Questions"),
        pairs(questions),
        tag("h3", "Data"),
        pairs([("name", c.dataset), ("source", c.source), ("licence", c.licence)]),
        tag("h3", "Fingerprints: what this certificate is true of"),
        pairs(prints),
        tag("h3", "Versions"),
        pairs(sorted(c.versions.items())),
    ]
    if c.notes:
        notes = join(tag("li", outside(note)) for note in c.notes)
        blocks += [tag("h3", "Notes"), tag("ul", notes)]
    if c.command:
        blocks += [
            tag("h3", "Make it again"),
            tag("pre", tag("code", cut(c.command, LIMIT)), tabindex="0"),
        ]
    return join(blocks)


def pairs(entries: Iterable[tuple[str, str]]) -> Html:
    """Names and values, two columns."""
    body = join(join([tag("dt", outside(k)), tag("dd", outside(v))]) for k, v in entries)
    return tag("dl", body, class_="pairs")
