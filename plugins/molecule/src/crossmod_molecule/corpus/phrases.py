"""The phrases of single claims and the sentences that hold several."""

from __future__ import annotations

from crossmod.sources.draw import Draw
from crossmod_molecule.corpus.claims import Claim
from crossmod_molecule.corpus.english import article, counted, listed
from crossmod_molecule.corpus.nouns import ELEMENTS, group_nouns, ring_nouns

DENIABLE = (
    "carboxylic acid",
    "ester",
    "nitro",
    "nitrile",
    "phenol",
    "ketone",
    "aldehyde",
    "sulfonamide",
    "aryl chloride",
    "aryl fluoride",
    "aryl bromide",
    "methoxy",
    "primary aromatic amine",
    "tertiary aliphatic amine",
    "secondary amide",
    "alkene",
    "trifluoromethyl",
)
"""Groups common enough that their absence says something."""

_COUNTS = {
    "donors": ("hydrogen-bond donor", "hydrogen bond donor", "H-bond donor"),
    "acceptors": ("hydrogen-bond acceptor", "hydrogen bond acceptor", "H-bond acceptor"),
    "rotatable": ("rotatable bond", "freely rotatable bond", "rotatable single bond"),
    "stereocentres": ("stereocentre", "tetrahedral stereocentre", "chiral centre"),
    "heavy": ("heavy atom", "non-hydrogen atom"),
    "rings": ("ring",),
    "aromatic": ("aromatic ring",),
    "fused": ("fused ring system", "system of fused rings"),
    "spiro": ("spiro atom", "spiro centre"),
    "bridgeheads": ("bridgehead atom",),
}

_VALUES = {
    "weight": (
        "a molecular weight of about {} g/mol",
        "a molar mass near {} g/mol",
        "a molecular mass of roughly {} daltons",
    ),
    "logp": ("a calculated logP of about {}", "an estimated logP near {}", "a Crippen logP of roughly {}"),
    "area": (
        "a polar surface area of about {} square angstroms",
        "a topological polar surface area near {} square angstroms",
        "a TPSA of roughly {}",
    ),
    "charge": ("a net charge of {}", "an overall formal charge of {}"),
    "chain": ("a longest acyclic carbon chain of {} atoms", "a carbon chain of {} atoms outside its rings"),
}

_SENTENCES = {
    "structure": (
        "{A} {noun} with {parts}.",
        "{A} {noun} containing {parts}.",
        "{A} {noun} that carries {parts}.",
        "This {noun} contains {parts}.",
        "This {noun} features {parts}.",
        "The {noun} bears {parts}.",
        "The {noun} has {parts}.",
        "This is {a} {noun} bearing {parts}.",
        "In this {noun} one finds {parts}.",
        "{Parts} {occur} in this {noun}.",
        "{Parts} {are} present in this {noun}.",
        "In this {noun} there {first_is} {parts}.",
        "The {noun} includes {parts}.",
    ),
    "framework": (
        "{A} {noun} built from {frame}, carrying {parts}.",
        "This {noun} combines {frame} with {parts}.",
        "The {noun} has {frame} in its framework; its functional groups include {parts}.",
        "The framework of this {noun} includes {frame}, and it bears {parts}.",
        "{Frame} and, as functional groups, {parts} are found in this {noun}.",
        "This is {a} {noun} with {frame}; as functional groups it has {parts}.",
    ),
    "measure": (
        "It has {parts}.",
        "It shows {parts}.",
        "The {noun} has {parts}.",
        "Further, it has {parts}.",
        "Its properties include {parts}.",
        "Measured on the structure, it has {parts}.",
    ),
    "element": (
        "It is composed of atoms including {parts}.",
        "Its heavy atoms include {parts}.",
        "Its composition includes {parts}.",
        "There {first_is} {parts} in the {noun}.",
        "The formula counts {parts}.",
    ),
    "companion": (
        "It is accompanied by {parts}.",
        "Besides the main component there {first_is} {parts}.",
        "It comes with {parts}.",
    ),
    "absent": (
        "It has {parts}.",
        "There {first_is} {parts}.",
        "The {noun} contains {parts}.",
    ),
}


def phrase(claim: Claim, draw: Draw, *, words: bool) -> str:
    """The claim as a noun phrase with its number, or as an adjective."""
    number = int(claim.number)
    match claim.kind:
        case "adjective":
            return claim.subject
        case "group":
            return counted(number, draw.choose(group_nouns(claim.subject)), words=words)
        case "absent":
            return f"no {draw.choose(group_nouns(claim.subject))}"
        case "ring":
            return counted(number, draw.choose(ring_nouns(claim.subject)), words=words)
        case "element":
            return counted(number, f"{ELEMENTS.get(claim.subject, claim.subject)} atom", words=words)
        case "measure" if claim.subject in _COUNTS:
            return counted(number, draw.choose(_COUNTS[claim.subject]), words=words)
        case "measure":
            return draw.choose(_VALUES[claim.subject]).format(_value(claim))
        case _:
            return counted(number, claim.subject, words=words)


def _value(claim: Claim) -> str:
    if claim.subject == "logp":
        return f"{claim.number + 0.0:.1f}"
    return f"{int(claim.number):+d}" if claim.subject == "charge" else str(int(claim.number))


def sentence(kind: str, draw: Draw, frame: str, parts: list[str], noun: str) -> str:
    """One sentence of the kind, which names the molecule by `noun` and holds the frame and the parts."""
    # After "there" the verb agrees with the first noun, elsewhere with the whole list.
    first_single = parts[0].split()[0] in ("a", "an", "one", "1") or kind == "absent"
    single = first_single and len(parts) == 1
    joined = listed(parts)
    a = article(noun)
    # "Its properties include no rings" is not English.
    lacking = any(part.startswith("no ") for part in parts)
    templates = [template for template in _SENTENCES[kind] if not (lacking and "include" in template)]
    return draw.choose(templates).format(
        a=a,
        A=a.capitalize(),
        noun=noun,
        parts=joined,
        Parts=joined[0].upper() + joined[1:],
        frame=frame,
        Frame=frame[:1].upper() + frame[1:],
        are="is" if single else "are",
        first_is="is" if first_single else "are",
        occur="occurs" if single else "occur",
    )
