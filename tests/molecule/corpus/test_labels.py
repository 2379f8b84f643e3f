from __future__ import annotations

import pytest

from crossmod.errors import UserError
from crossmod_molecule.corpus.groups import GROUP_NAMES
from crossmod_molecule.corpus.labels import functional_group_labels, group_prompts
from crossmod_molecule.structures import UnusableStructure


def test_labels_of_known_molecules() -> None:
    labels, names = functional_group_labels(
        ["CC(=O)Oc1ccccc1C(=O)O", "O=[N+]([O-])c1ccccc1", "CCO"], ["carboxylic acid", "ester", "nitro"]
    )
    assert names == ("carboxylic acid", "ester", "nitro")
    assert labels.tolist() == [[True, True, False], [False, False, True], [False, False, False]]


def test_all_groups_by_default_and_any_spelling() -> None:
    labels, names = functional_group_labels(["OC(=O)c1ccccc1OC(C)=O", "CC(=O)Oc1ccccc1C(=O)O"])
    assert names == GROUP_NAMES
    assert labels.shape == (2, len(GROUP_NAMES))
    assert (labels[0] == labels[1]).all()


def test_unknown_groups_and_molecules_are_refused() -> None:
    with pytest.raises(UserError, match="'flubber'"):
        functional_group_labels(["CCO"], ["flubber"])
    with pytest.raises(UnusableStructure):
        functional_group_labels(["nonsense"])


def test_prompts_of_every_group_are_sentences_in_pairs() -> None:
    for name in GROUP_NAMES:
        present, missing = group_prompts(name)
        assert len(present) == len(missing) == len(set(present)) == len(set(missing))
        assert not set(present) & set(missing)
        assert all(text.endswith(".") and "{" not in text for text in (*present, *missing))
    assert "There are no nitrile groups in this compound." in group_prompts("nitrile")[1]
    assert "An aldehyde group occurs in this molecule." in group_prompts("aldehyde")[0]
