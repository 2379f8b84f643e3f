"""Sentences generated from the measured chemistry of a molecule, varied in facts, order, numbers and nouns.

Every text is assembled from claims that hold, so it is true by construction and is nowhere more than that: these
are generated texts, not a chemist's. The choices depend on the canonical SMILES, the seed and the number of the
text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossmod.sources.draw import Draw
from crossmod_molecule.corpus.chemistry import Chemistry
from crossmod_molecule.corpus.claims import (
    Claim,
    absent,
    adjective_claims,
    component_claims,
    element_claims,
    measure_claims,
    structure_claims,
)
from crossmod_molecule.corpus.english import article, listed
from crossmod_molecule.corpus.phrases import DENIABLE, phrase, sentence

FEWEST_WORDS, MOST_WORDS = 15, 60


@dataclass(frozen=True)
class Generated:
    """A text and the claims that it makes."""

    text: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class _Plan:
    """How many claims of each family a text is given; what a molecule lacks is made up for by measures."""

    rings: int
    groups: int
    elements: int
    measures: int


_PLANS = (
    _Plan(rings=3, groups=5, elements=0, measures=1),
    _Plan(rings=2, groups=3, elements=0, measures=3),
    _Plan(rings=1, groups=3, elements=4, measures=1),
    _Plan(rings=2, groups=4, elements=0, measures=2),
)


def describe(chemistry: Chemistry, canonical_smiles: str, texts: int, seed: int) -> list[Generated]:
    """Generate texts of the molecule, each with its own plan, facts and wording.

    Args:
        chemistry: The measured facts.
        canonical_smiles: Seeds the choices together with `seed`; it never enters a text.
        texts: How many.
        seed: Another seed words the same molecules anew.
    """
    first = Draw(canonical_smiles, seed, "plan").below(len(_PLANS))
    return [
        _write(chemistry, _PLANS[(first + number) % len(_PLANS)], Draw(canonical_smiles, seed, number))
        for number in range(texts)
    ]


def _write(chemistry: Chemistry, plan: _Plan, draw: Draw) -> Generated:
    structure = _structure(chemistry, plan, draw)
    elements = draw.order(element_claims(chemistry))[: plan.elements]
    measures = draw.order(measure_claims(chemistry))
    adjectives = adjective_claims(chemistry)
    spoken = draw.order(adjectives)[: 1 + draw.chance(0.3)]
    adjectives = [claim for claim in adjectives if claim in spoken]
    denied = _denied(chemistry, draw) if draw.chance(0.25) else []
    wanted = plan.measures
    while True:
        chosen = [*adjectives, *structure, *component_claims(chemistry), *elements, *measures[:wanted], *denied]
        text = _compose(chosen, draw)
        words = len(text.split())
        if words < FEWEST_WORDS and wanted < len(measures):
            wanted += 1
        elif words > MOST_WORDS and (wanted > 1 or len(structure) > 1 or elements):
            wanted, structure, elements, denied = max(1, wanted - 1), structure[:-1], elements[:-1], []
        else:
            return Generated(text, tuple(chosen))


def _structure(chemistry: Chemistry, plan: _Plan, draw: Draw) -> list[Claim]:
    """A share of the rings and groups; a benzene ring's substitution stands for the ring itself."""
    claims = draw.order(structure_claims(chemistry))
    patterns = [claim for claim in claims if claim.kind == "pattern"]
    rings = [claim for claim in claims if claim.kind == "ring"]
    if patterns and draw.chance(0.6):
        rings = [claim for claim in rings if claim.subject != "benzene ring"] + patterns
    groups = [claim for claim in claims if claim.kind == "group"][: plan.groups]
    return draw.order(rings)[: plan.rings] + groups


def _denied(chemistry: Chemistry, draw: Draw) -> list[Claim]:
    present = {name for name, _ in chemistry.groups}
    return [absent(draw.choose([name for name in DENIABLE if name not in present] or ["azide"]))]


def _compose(claims: Sequence[Claim], draw: Draw) -> str:
    """The sentences of the claims: structure first or measures first, one sentence a family."""
    digits = draw.chance(0.3)
    families: dict[str, list[str]] = {}
    for claim in claims:
        families.setdefault(claim.kind, []).append(phrase(claim, draw, words=not digits))
    adjectives = families.pop("adjective", [])
    noun = draw.choose(("molecule", "compound", "molecule", "compound", "substance", "structure"))
    named = f"{', '.join(adjectives)} {noun}" if adjectives else noun
    structure = families.pop("ring", []) + families.pop("pattern", [])
    groups = families.pop("group", [])
    if structure and groups and draw.chance(0.35):
        body = sentence("framework", draw, listed(structure), groups, named)
        bodies = [body]
    else:
        parts = draw.order(structure + groups)
        bodies = [sentence("structure", draw, "", parts, named)] if parts else [f"This is {article(named)} {named}."]
    rest = [sentence(kind, draw, "", parts, noun) for kind, parts in families.items()]
    return " ".join(bodies + draw.order(rest))
