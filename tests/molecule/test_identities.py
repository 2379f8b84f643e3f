"""Identities of structures, and what a dead worker is told as."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from crossmod.errors import UserError
from crossmod_molecule import identities as module
from crossmod_molecule.identities import Identity, identities


class Fatal(str):
    """A text that ends the process which unpickles it, as the system does when memory runs out."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return os._exit, (9,)


def test_identity_is_canonical_with_scaffold_or_reason() -> None:
    found = identities(["OCCc1ccccc1", "C(O)Cc1ccccc1", "CCO", "bad", "*", "[Na+]"], True, 0)
    assert found[0] == found[1] == Identity("OCCc1ccccc1", "c1ccccc1")
    assert found[2].scaffold == ""
    assert found[3].canonical == ""
    assert "cannot read" in found[3].reason
    assert found[4] == Identity("*")
    assert found[5] == Identity("[Na+]")


def test_stereochemistry_counts_in_the_structure_and_not_in_the_scaffold() -> None:
    a, b = identities(["O[C@H]1CCCC[C@@H]1C", "O[C@@H]1CCCC[C@@H]1C"], True, 0)
    assert a.canonical != b.canonical
    assert a.scaffold == b.scaffold


def test_workers_give_what_one_process_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALLEST_FOR_WORKERS", 1)
    monkeypatch.setattr(module, "CHUNK", 7)
    smiles = ["C" * (1 + i) + "c1ccccc1" for i in range(20)] + ["bad"]
    assert identities(smiles, True, 2) == identities(smiles, True, 0)


def test_a_killed_worker_is_one_sentence_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALLEST_FOR_WORKERS", 1)
    monkeypatch.setattr(module, "CHUNK", 1)
    with pytest.raises(UserError, match=r"was killed.*--data\.workers 0"):
        identities(["C", Fatal("C")], False, 1)
