"""Who is scanned and what is found: patients, their studies and findings, drawn from a seed, before any voxel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from crossmod.sources.draw import Draw

SIDES = ("right", "left")
ZONES = ("upper", "middle", "lower")


@dataclass(frozen=True)
class Abnormality:
    """One thing that is found.

    Args:
        kind: Its name as a label.
        side: "right" or "left"; empty where it has no side.
        zone: Zone of the lung; empty where it has none.
        size_mm: Diameter or thickness; 0 where it has none.
        density: "solid", "ground-glass" or "calcified" of a nodule; empty of others.
        hounsfield: What its voxels hold.
        place: Two shares from 0 to 1 that put it within its zone.
    """

    kind: str
    side: str = ""
    zone: str = ""
    size_mm: float = 0.0
    density: str = ""
    hounsfield: float = 0.0
    place: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True)
class Patient:
    """A body.

    Args:
        name: Identifier, which means nobody.
        sex: "F" or "M".
        age: In years.
        scale: Size against the average body.
    """

    name: str
    sex: str
    age: int
    scale: float


@dataclass(frozen=True)
class Study:
    """One examination of a patient.

    Args:
        name: Identifier.
        patient: Who.
        number: Which of the patient's studies, from 0.
        abnormalities: What is found, in no order.
        contrast: Whether vessels are enhanced.
        reconstructions: How many volumes were reconstructed of it.
    """

    name: str
    patient: Patient
    number: int
    abnormalities: tuple[Abnormality, ...]
    contrast: bool
    reconstructions: int

    def has(self, kind: str) -> bool:
        """Whether this kind is found."""
        return any(found.kind == kind for found in self.abnormalities)


SHARES: dict[str, float] = {
    "lung nodule": 0.35,
    "pleural effusion": 0.3,
    "emphysema": 0.25,
    "consolidation": 0.25,
    "cardiomegaly": 0.25,
    "pericardial effusion": 0.15,
    "coronary artery calcification": 0.25,
    "aortic calcification": 0.25,
    "atelectasis": 0.2,
    "pneumothorax": 0.12,
    "cardiac device": 0.12,
}
"""How often each kind is found; often enough that an interval over some hundred patients says something."""

CHRONIC = ("emphysema", "cardiomegaly", "coronary artery calcification", "aortic calcification", "cardiac device")
"""What a later study of the same patient still finds."""

NODULE_HOUNSFIELD = {"solid": 40.0, "ground-glass": -450.0, "calcified": 450.0}


def draw_studies(patients: int, seed: int) -> Iterator[Study]:
    """The studies of so many patients, one to three each; a patient's do not depend on how many others there are."""
    for number in range(patients):
        name = f"phantom-{number + 1:04d}"
        draw = Draw(name, seed, "patient")
        patient = Patient(name, draw.choose("FM"), 35 + draw.below(50), 0.92 + 0.16 * draw.below(1000) / 1000)
        earlier: tuple[Abnormality, ...] = ()
        for study in range(1 + draw.choose((0, 0, 0, 1, 1, 2))):
            own = Draw(name, seed, "study", study)
            found = _findings(own, earlier)
            yield Study(
                f"{name}-{chr(97 + study)}", patient, study, found, own.chance(0.4), 2 if own.chance(0.2) else 1
            )
            earlier = found


def _findings(draw: Draw, earlier: tuple[Abnormality, ...]) -> tuple[Abnormality, ...]:
    kept = [found for found in earlier if found.kind in CHRONIC]
    grown = [replace(found, size_mm=found.size_mm * 1.25) for found in earlier if found.kind == "lung nodule"]
    kept += grown if draw.chance(0.7) else []
    known = {found.kind for found in kept}
    for kind, share in SHARES.items():
        if draw.chance(share) and kind not in known:
            kept += _new(kind, draw)
    return tuple(_compatible(kept))


def _new(kind: str, draw: Draw) -> list[Abnormality]:
    """A new finding; some come in twos."""
    place = draw.below(1000) / 1000, draw.below(1000) / 1000
    side = draw.choose(SIDES)
    if kind == "lung nodule":
        density = draw.choose(("solid", "solid", "ground-glass", "calcified"))
        size = 14.0 + 18.0 * draw.below(1000) / 1000
        return [
            Abnormality(kind, side, draw.choose(ZONES), size, density, NODULE_HOUNSFIELD[density], place),
        ]
    if kind == "pleural effusion":
        depth = 18.0 + 45.0 * draw.below(1000) / 1000
        both = draw.chance(0.3)
        return [Abnormality(kind, one, "", depth, "", 8.0, place) for one in (SIDES if both else (side,))]
    if kind == "consolidation":
        return [Abnormality(kind, side, draw.choose(ZONES), 50.0 + 30.0 * place[0], "", 20.0, place)]
    if kind == "atelectasis":
        return [Abnormality(kind, side, draw.choose(("middle", "lower")), 12.0, "", 0.0, place)]
    if kind == "pneumothorax":
        return [Abnormality(kind, side, "", 20.0 + 20.0 * place[0], "", -1000.0, place)]
    if kind == "pericardial effusion":
        return [Abnormality(kind, "", "", 10.0 + 12.0 * place[0], "", 8.0, place)]
    hounsfield = {"emphysema": -985.0, "cardiac device": 2500.0, "cardiomegaly": 0.0}.get(kind, 650.0)
    return [Abnormality(kind, "left" if kind == "cardiac device" else "", "", 0.0, "", hounsfield, place)]


def _compatible(found: list[Abnormality]) -> Iterator[Abnormality]:
    """Air and fluid do not fill the same side, and a lesion does not hide in either."""
    filled = {one.side for one in found if one.kind == "pneumothorax"}
    for one in found:
        if one.kind == "pleural effusion" and one.side in filled:
            continue
        yield one
