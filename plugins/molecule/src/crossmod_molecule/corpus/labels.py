"""Which functional groups a molecule has, as labels, and the sentences that ask for them (zero-shot, probes)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from crossmod.errors import UserError
from crossmod_molecule.corpus.english import article, plural
from crossmod_molecule.corpus.nouns import group_nouns

_PRESENT = (
    "This molecule contains {a} {noun}.",
    "A compound with {a} {noun}.",
    "The compound bears {a} {noun}.",
    "{A} {noun} occurs in this molecule.",
    "In this compound there is {a} {noun}.",
)

_ABSENT = (
    "This molecule contains no {noun}.",
    "A compound without {a} {noun}.",
    "The compound has no {noun}.",
    "There is no {noun} in this molecule.",
    "There are no {nouns} in this compound.",
)


def functional_group_labels(
    smiles: Sequence[str], names: Sequence[str] | None = None
) -> tuple[npt.NDArray[np.bool_], tuple[str, ...]]:
    """Which of the functional groups each molecule has.

    Args:
        smiles: The molecules; each is read from its canonical SMILES, so its spelling does not matter.
        names: Groups to look for; all of the table by default.

    Shape:
        [molecules, groups], and the name of each group.

    Raises:
        UnusableStructure: A text is no molecule.
        UserError: A name is not in the table.
    """
    from crossmod_molecule.corpus.groups import GROUP_NAMES, functional_groups
    from crossmod_molecule.structures import canonical_smiles, parse_smiles

    names = GROUP_NAMES if names is None else tuple(names)
    if unknown := [name for name in names if name not in GROUP_NAMES]:
        raise UserError(
            f"No functional group is called {', '.join(map(repr, unknown))}; the table has {', '.join(GROUP_NAMES)}."
        )
    labels = np.zeros((len(smiles), len(names)), dtype=np.bool_)
    for row, text in enumerate(smiles):
        present = functional_groups(parse_smiles(canonical_smiles(text)))
        labels[row] = [name in present for name in names]
    return labels, tuple(names)


def group_prompts(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sentences that say that the group is there, and as many that say that it is not.

    Every noun of the group is put into every template; average their embeddings (CLIP, arXiv:2103.00020).

    Example:
        >>> present, missing = group_prompts("nitro")
        >>> present[0], missing[0], len(present) == len(missing)
        ('This molecule contains a nitro group.', 'This molecule contains no nitro group.', True)
    """

    def filled(templates: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            template.format(a=article(noun), A=article(noun).capitalize(), noun=noun, nouns=plural(noun))
            for noun in dict.fromkeys(group_nouns(name))
            for template in templates
        )

    return filled(_PRESENT), filled(_ABSENT)
