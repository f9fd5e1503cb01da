"""In the report of a run: which certificate speaks of its users."""

from __future__ import annotations

from focusgroup.simulator.fidelity.certificate import Certificate

from .certificate_rows import tiles
from .facts import CertificateFacts, Coverage
from .markup import Html, join, outside, tag
from .values import count
from .view import Section, View

NOBODY = CertificateFacts(Coverage.NONE, "None: nobody looked for one.")
_STATE = {
    Coverage.FULL: "covered",
    Coverage.OTHER_CONFIGURATION: "not covered",
    Coverage.OTHER_MODEL: "not covered",
    Coverage.NONE: "no certificate",
    Coverage.YARDSTICK: "a yardstick",
}


def certificate(view: View) -> Section:
    """For each audience whether a certificate covers it, what that says, or how to make one."""
    lead = tag(
        "p",
        "A fidelity certificate holds simulated choices against those of real users, for one "
        "dataset, one model and one configuration. It says nothing of any other.",
        class_="lead",
    )
    cards = (
        _card(audience, view.facts.certificates.get(audience, NOBODY))
        for audience in view.audiences
    )
    return Section("certificate", "Can these users be believed?", (lead, join(cards)))


def _card(audience: str, facts: CertificateFacts) -> Html:
    found = facts.certificate
    good = facts.coverage is Coverage.FULL and found is not None and not _failing(found)
    said = _STATE[facts.coverage]
    if facts.coverage is Coverage.FULL and found is not None:
        passed = sum(row.passes is True for row in found.deciding())
        said = f"{said}: {passed} of {len(found.deciding())} pass"
    badge = tag("span", said, class_=f"state {'calibrated' if good else 'uncalibrated'}")
    quiet = good or facts.coverage is Coverage.YARDSTICK
    parts = [
        tag("h3", outside(audience), " ", badge),
        tag("p", outside(facts.told), class_=None if quiet else "warning"),
    ]
    if facts.coverage is Coverage.FULL and found is not None:
        kept = "final" if found.final else "not final"
        told = f"{count(found.users.test)} test users, {kept}. Rows that decide:"
        parts += [tag("p", told, class_="size"), tiles(found.deciding())]
    if facts.command:
        parts.append(tag("p", "This makes one: ", tag("code", facts.command)))
    return tag("article", *parts, class_="card")


def _failing(certificate: Certificate) -> bool:
    return any(row.passes is False for row in certificate.deciding())


def in_a_word(view: View) -> str:
    """Of all audiences that are meant to be like people: ``covered``, ``failing`` (covered, but a
    row that decides fails), ``none`` or ``in part``."""
    found = [view.facts.certificates.get(audience, NOBODY) for audience in view.audiences]
    coverages = {facts.coverage for facts in found} - {Coverage.YARDSTICK}
    made = [facts.certificate for facts in found if facts.coverage is Coverage.FULL]
    if any(one is not None and _failing(one) for one in made):
        return "failing"
    if Coverage.FULL not in coverages:
        return "none"
    return "covered" if len(coverages) == 1 else "in part"
