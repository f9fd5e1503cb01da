"""Which fidelity certificate speaks of a run: where they lie, and what has to match."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from focusgroup.agents import Assumed, load_language
from focusgroup.simulator import UserError
from focusgroup.simulator.fidelity import BEHAVIOUR, Certificate, from_json
from focusgroup.simulator.report import CertificateFacts, Coverage

from .experiment import Experiment, Room

RANKING = ("ranking_tau", "ranking_direction")
CERTIFICATE, FOLDER = "certificate.json", "certificates"
# What `focusgroup certify` asks and calibrates with.
CERTIFIED_PAGE, CERTIFIED_SHARE, CERTIFIED_HELD_OUT = 10, 0.25, 0.2


def configuration(
    *,
    k: int,
    calibration: float,
    held_out: float,
    style: str = "",
    language: str = "",
    decision: str = "",
    calibrated_by: str = "",
    assumed: Assumed | None = None,
) -> dict[str, str]:
    """Everything besides data and model that decides how simulated users answer, by name.

    Args:
        k: items on a page; it counts only where a language model reads pages, for the behaviour
            model judges items one by one.
        calibration: share of the users that the behaviour model is fitted on, in (0, 1).
        held_out: share of each user's events that the model learns to predict, in (0, 1).
        style, language, decision: of the language model; "" where none takes part.
        calibrated_by: fingerprint of a calibration file, "" where users are calibrated on the log.
        assumed: parameters that no log identifies; by default the usual ones.

    Raises:
        UserError: there are no prompts in the language.
    """
    release = ".".join(version("focusgroup").split(".")[:2])
    found = {
        "focusgroup": release,
        "calibration share": f"{calibration:g}",
        "held out": f"{held_out:g}",
        "assumed": _digest({k: repr(float(v)) for k, v in asdict(assumed or Assumed()).items()}),
    }
    if calibrated_by:
        found["calibration file"] = calibrated_by
    if style:
        words = load_language(language)
        prompts = _digest({"templates": dict(words.templates), "phrases": words.phrases})
        found |= {"style": style, "language": language, "decision": decision, "prompts": prompts}
        found["page"] = str(k)
    return found


def configuration_fingerprint(configured: Mapping[str, str]) -> str:
    """A hash of what `configuration` returns, the same on every machine."""
    return _digest(dict(configured), length=64)


def _digest(content: Mapping[str, object], length: int = 16) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Certificates that were found.

    Attributes:
        certificates: by place, in the order in which they were looked for.
        unreadable: why others could not be read.
    """

    certificates: Mapping[str, Certificate]
    unreadable: tuple[str, ...] = ()


def find_certificates(run: Path | None = None, folder: Path | None = None) -> Shelf:
    """The certificates in reach: ``certificate.json`` in the run itself, and in each folder of
    ``certificates`` beside the run and in the working directory.

    Args:
        run: the run's directory. folder: looked at instead of the working directory.
    """
    roots = [folder or Path(), *([run.parent] if run is not None else [])]
    places = [run / CERTIFICATE] if run is not None else []
    for root in roots:
        places += sorted(root.glob(f"{FOLDER}/*/{CERTIFICATE}"))
    found: dict[str, Certificate] = {}
    unreadable = []
    # Reversed, so that of several ways to one file the first is kept.
    known = {path.resolve(): path for path in reversed(places) if path.is_file()}
    for place in reversed(known.values()):
        try:
            found[str(place)] = read_certificate(place)
        except UserError as error:
            unreadable.append(str(error))
    return Shelf(found, tuple(unreadable))


def read_certificate(path: Path) -> Certificate:
    """The certificate in a file. Raises UserError if it cannot be read or is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    return from_json(text, str(path))


def certificates_of(experiment: Experiment, shelf: Shelf) -> dict[str, CertificateFacts]:
    """For each audience of an experiment what is certified of it."""
    return {
        room.audience.name: certificate_of(experiment, room, shelf) for room in experiment.rooms
    }


def certificate_of(experiment: Experiment, room: Room, shelf: Shelf) -> CertificateFacts:
    """What is certified of one audience."""
    spec, scenario = room.spec, experiment.scenario
    if spec.agent not in ("llm", "behaviour"):
        return CertificateFacts(
            Coverage.YARDSTICK,
            "A yardstick: these users are not meant to be like real ones, so nothing is certified.",
        )
    speaking = room.speaker is not None
    of_these_users = partial(
        configuration,
        style=spec.style if speaking else "",
        language=spec.language if speaking else "",
        decision=spec.decision if speaking else "",
    )
    configured = of_these_users(
        k=scenario.page.k,
        calibration=scenario.data.split.calibration,
        held_out=scenario.data.held_out,
        calibrated_by=experiment.calibration.fingerprint if experiment.calibration else "",
        assumed=Assumed(**scenario.assumed.model_dump()),
    )
    certified = of_these_users(
        k=CERTIFIED_PAGE, calibration=CERTIFIED_SHARE, held_out=CERTIFIED_HELD_OUT
    )
    model = room.speaker.llm.fingerprint if room.speaker is not None else BEHAVIOUR
    command = ["focusgroup", "certify", "--data", scenario.data.name]
    if scenario.data.dir:
        command += ["--data-dir", scenario.data.dir]
    if speaking:
        command += ["--llm", spec.llm, "--style", spec.style, "--decision", spec.decision]
        if spec.language != "en":
            command += ["--language", spec.language]
    found = covering(
        shelf,
        data=experiment.dataset.fingerprint,
        model=model,
        configured=configured,
        command=shlex.join(command),
    )
    if found.coverage is Coverage.FULL or configured == certified:
        return found
    told = (
        f"{found.told} `focusgroup certify` would not make one that covers this configuration"
        f" ({_differences(certified, configured)}): run the scenario as it certifies."
    )
    return replace(found, told=told, command="")


def covering(
    shelf: Shelf, *, data: str, model: str, configured: Mapping[str, str], command: str
) -> CertificateFacts:
    """The certificate of this data, model and configuration, or else the nearest one.

    Of several that cover it the final one is taken, then the one stated for most users.

    Args:
        data, model: fingerprints. configured: what `configuration` returns.
        command: the command line that would make the missing one.
    """
    of_data = [(p, c) for p, c in shelf.certificates.items() if c.fingerprints.data == data]
    of_model = [(p, c) for p, c in of_data if c.fingerprints.model == model]
    wanted = configuration_fingerprint(configured)
    exact = [(p, c) for p, c in of_model if c.fingerprints.configuration == wanted]
    lost = "".join(f" Not readable: {why}." for why in shelf.unreadable)
    if exact:
        place, found = _best(exact)
        told = f"Covered by {place}: {found.verdict}"
        if any(found.row(name).passes is False for name in RANKING):
            told += " Rankings of recommenders by these users fail: do not decide by them."
        return CertificateFacts(Coverage.FULL, told + lost, found, place)
    if of_model:
        place, found = _best(of_model)
        told = (
            f"{place} is of this data and this model, but of another configuration"
            f" ({_differences(found.configuration, configured)}). Its figures are not of these"
            " users."
        )
        return CertificateFacts(Coverage.OTHER_CONFIGURATION, told + lost, found, place, command)
    if of_data:
        place, found = _best(of_data)
        told = (
            f"{place} is of this data, but of another model ({found.model}). Its figures are not"
            " of these users."
        )
        return CertificateFacts(Coverage.OTHER_MODEL, told + lost, found, place, command)
    told = (
        "None. Nothing has yet shown that these users answer as real ones do, with this data,"
        " model and configuration."
    )
    return CertificateFacts(Coverage.NONE, told + lost, command=command)


def _best(found: Iterable[tuple[str, Certificate]]) -> tuple[str, Certificate]:
    return max(found, key=lambda entry: (entry[1].final, entry[1].sample))


def _differences(certified: Mapping[str, str], configured: Mapping[str, str]) -> str:
    names = [n for n in {**certified, **configured} if certified.get(n) != configured.get(n)]
    told = [
        f"{name} {configured.get(name, 'none')} here, {certified.get(name, 'none')} there"
        for name in names
    ]
    return "; ".join(told) or "its configuration was recorded differently"
