"""What texts call the functional groups, ring systems and elements: several names for one thing."""

from __future__ import annotations

_GROUP_ROWS = """
carboxylate|carboxylate group|carboxylate anion
carboxylic acid|carboxylic acid group|carboxyl group|carboxylic acid function
acid anhydride|acid anhydride|carboxylic anhydride group
ester|ester group|carboxylic ester|ester linkage
lactone|lactone|cyclic ester|lactone group
lactam|lactam|cyclic amide|lactam carbonyl group
primary amide|primary amide|primary carboxamide group
secondary amide|secondary amide|secondary amide group|secondary carboxamide
tertiary amide|tertiary amide|tertiary amide group|tertiary carboxamide
imide|imide|imide group
urea|urea group|urea linkage
thiourea|thiourea group|thiourea unit
carbamate|carbamate group|carbamate linkage
sulfonamide|sulfonamide group|sulfonamide linkage|sulfonamide
nitrile|nitrile group|cyano group|nitrile
nitro|nitro group|nitro substituent
azo|azo group|azo linkage
N-oxide|N-oxide group|N-oxide
imine|imine|imine group|carbon-nitrogen double bond
hydrazone|hydrazone|hydrazone group
acylhydrazone|acylhydrazone|acylhydrazone linkage
aldehyde|aldehyde group|aldehyde|formyl group
ketone|ketone|ketone group|keto group
conjugated ring ketone|conjugated ring ketone|aromatic ring carbonyl group
quinone|quinone|quinone unit
phenol|phenol|phenolic hydroxyl group|phenol group
heteroaromatic hydroxyl|heteroaromatic hydroxyl group|heteroaryl hydroxyl group
enol|enol|enol group
primary alcohol|primary alcohol|primary hydroxyl group|primary alcohol group
secondary alcohol|secondary alcohol|secondary hydroxyl group|secondary alcohol group
tertiary alcohol|tertiary alcohol|tertiary hydroxyl group|tertiary alcohol group
hemiacetal|hemiacetal|hemiacetal hydroxyl group
epoxide|epoxide|epoxide group
acetal|acetal|acetal group
methoxy|methoxy group|methoxy substituent|methyl ether
aryl ether|aryl ether|aryl ether linkage|aromatic ether
diaryl ether|diaryl ether|diaryl ether bridge
aliphatic ether|aliphatic ether|aliphatic ether linkage|dialkyl ether
disulfide|disulfide|disulfide bridge
thiol|thiol|thiol group|mercapto group
aryl thioether|aryl thioether|aryl sulfide|aromatic thioether
aliphatic thioether|aliphatic thioether|aliphatic sulfide|dialkyl thioether
thioketone|thioketone|thiocarbonyl group
quaternary ammonium|quaternary ammonium group|quaternary nitrogen atom
protonated amine|protonated amine|ammonium group
primary aliphatic amine|primary aliphatic amine|primary alkylamine
secondary aliphatic amine|secondary aliphatic amine|secondary alkylamine
tertiary aliphatic amine|tertiary aliphatic amine|tertiary alkylamine
primary aromatic amine|primary aromatic amine|primary arylamine|aromatic amino group
secondary aromatic amine|secondary aromatic amine|secondary arylamine
tertiary aromatic amine|tertiary aromatic amine|tertiary arylamine
trifluoromethyl|trifluoromethyl group|trifluoromethyl substituent
aryl fluoride|aryl fluoride|aromatic fluorine atom
alkyl fluoride|alkyl fluoride|aliphatic fluorine atom
aryl chloride|aryl chloride|aromatic chlorine atom
alkyl chloride|alkyl chloride|aliphatic chlorine atom
vinyl chloride|vinyl chloride unit|vinylic chlorine atom
aryl bromide|aryl bromide|aromatic bromine atom
alkyl bromide|alkyl bromide|aliphatic bromine atom
vinyl bromide|vinyl bromide unit|vinylic bromine atom
aryl iodide|aryl iodide|aromatic iodine atom
alkyl iodide|alkyl iodide|aliphatic iodine atom
alkyne|alkyne|carbon-carbon triple bond
alkene|alkene|carbon-carbon double bond|alkene double bond
tert-butyl|tert-butyl group|tertiary butyl group
isopropyl|isopropyl group|isopropyl substituent
"""

_GROUP_NOUNS: dict[str, tuple[str, ...]] = {
    name: tuple(nouns) for name, *nouns in (row.split("|") for row in _GROUP_ROWS.strip().splitlines())
}

ELEMENTS = {
    "C": "carbon",
    "N": "nitrogen",
    "O": "oxygen",
    "S": "sulfur",
    "F": "fluorine",
    "Cl": "chlorine",
    "Br": "bromine",
    "I": "iodine",
    "P": "phosphorus",
    "B": "boron",
    "Si": "silicon",
    "Se": "selenium",
    "As": "arsenic",
    "Na": "sodium",
    "K": "potassium",
    "Li": "lithium",
    "Ca": "calcium",
    "Mg": "magnesium",
    "Zn": "zinc",
}
"""The elements that texts count by name."""


def group_nouns(name: str) -> tuple[str, ...]:
    """What the functional group of the table may be called, in the singular.

    Example:
        >>> group_nouns("nitrile"), group_nouns("oxime")
        (('nitrile group', 'cyano group', 'nitrile'), ('oxime group', 'oxime moiety'))
    """
    return _GROUP_NOUNS.get(name, (f"{name} group", f"{name} moiety"))


def ring_nouns(name: str) -> tuple[str, ...]:
    """What the ring system may be called, in the singular.

    Example:
        >>> ring_nouns("indole ring")
        ('indole ring', 'indole ring', 'indole unit', 'indole moiety')
    """
    if name.endswith(" ring") and not name.endswith("membered ring"):
        bare = name.removesuffix(" ring")
        return name, name, f"{bare} unit", f"{bare} moiety"
    return (name,)
