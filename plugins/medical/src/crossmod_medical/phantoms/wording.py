"""Writes the report of a study: findings and impression, in varied words, denials of what is not there included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossmod.sources.draw import Draw
from crossmod_medical.phantoms.patients import Abnormality, Study
from crossmod_medical.phantoms.phrases import (
    ABSENT,
    CLEAR,
    FINDINGS,
    IMPRESSIONS,
    NORMAL,
    PRESENT,
    SHARED_ABSENT,
    SHARED_PRESENT,
)

DENIED_SHARE = 0.6
"""How often a report mentions what is not there; radiologists deny what was asked for, not everything."""

SHARED_SHARE = 0.5
"""How often a sentence has a wording that serves any finding, and not one of this finding's own."""

NOUNS = {finding.name: finding.nouns for finding in FINDINGS}

ZONE_WORDS = {"upper": "upper", "middle": "mid", "lower": "lower"}

ORDER = (
    *("cardiac device", "cardiomegaly", "pericardial effusion", "coronary artery calcification"),
    *("aortic calcification", "emphysema", "lung nodule", "consolidation", "atelectasis", "pleural effusion"),
    "pneumothorax",
)
"""From the middle of the chest outwards, as reports go."""


@dataclass(frozen=True)
class Report:
    """The texts of one study."""

    findings: str
    impression: str

    @property
    def whole(self) -> str:
        """Both sections under their headings."""
        return f"FINDINGS: {self.findings}\nIMPRESSION: {self.impression}"


def write_report(study: Study, seed: int) -> Report:
    """The report of a study; equal studies and seeds give equal words."""
    draw = Draw(study.name, seed, "words")
    sentences: list[str] = []
    for kind in ORDER:
        found = [one for one in study.abnormalities if one.kind == kind]
        if found:
            sentences.append(_affirmed(kind, found, draw))
        elif draw.chance(DENIED_SHARE):
            sentences.append(_denied(kind, draw))
    normal = [draw.choose(choices) for choices in NORMAL if draw.chance(0.5)]
    at = draw.below(len(sentences) + 1)
    return Report(" ".join([*sentences[:at], *normal, *sentences[at:]]), _impression(study, draw))


def _affirmed(kind: str, found: Sequence[Abnormality], draw: Draw) -> str:
    """One sentence for all findings of a kind."""
    if len(found) == 2 and kind == "pleural effusion":
        amount = _amount(max(one.size_mm for one in found))
        return draw.choose(
            (
                f"There are {amount} bilateral pleural effusions.",
                f"Bilateral pleural effusions are seen, {amount} in amount.",
                f"{amount.capitalize()} pleural effusion is observed on both sides.",
            )
        )
    if draw.chance(SHARED_SHARE):
        return " ".join(_shared(draw.choose(SHARED_PRESENT), kind, _where(one), draw) for one in found)
    return " ".join(_filled(draw.choose(PRESENT[kind]), one) for one in found)


def _denied(kind: str, draw: Draw) -> str:
    """One sentence that says that a kind is not there."""
    if draw.chance(SHARED_SHARE):
        return _shared(draw.choose(SHARED_ABSENT), kind, "", draw)
    return draw.choose(ABSENT[kind])


def _shared(template: str, kind: str, where: str, draw: Draw) -> str:
    text = template.format(what=draw.choose(NOUNS[kind]), where=where)
    return text[:1].upper() + text[1:]


def _where(one: Abnormality) -> str:
    if one.zone:
        return f" in the {one.side} {ZONE_WORDS[one.zone]} zone"
    return f" on the {one.side}" if one.side else ""


def _impression(study: Study, draw: Draw) -> str:
    if not study.abnormalities:
        return draw.choose(CLEAR)
    kinds = [kind for kind in ORDER if study.has(kind)]
    shown: list[str] = []
    for kind in kinds:
        found = [one for one in study.abnormalities if one.kind == kind]
        one = found[0]
        if len(found) == 2 and kind == "pleural effusion":
            shown.append("Bilateral pleural effusions")
        else:
            shown.append(_filled(draw.choose(IMPRESSIONS[kind]), one))
    mixed = draw.order(shown)
    if draw.chance(0.5):
        return " ".join(f"{number}. {text}." for number, text in enumerate(mixed, 1))
    return " ".join(f"{text}." for text in mixed)


def _filled(template: str, one: Abnormality) -> str:
    zone = ZONE_WORDS.get(one.zone, "")
    text = template.format(
        side=one.side,
        zone=zone,
        size=f"{one.size_mm:.0f} mm",
        density={"ground-glass": "ground-glass", "calcified": "calcified"}.get(one.density, "solid"),
        amount=_amount(one.size_mm),
    )
    return text[:1].upper() + text[1:]


def _amount(depth_mm: float) -> str:
    return "small" if depth_mm < 32 else "moderate" if depth_mm < 48 else "large"
