"""Count fingerprints: RDKit's own, packed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rdkit.Chem import rdFingerprintGenerator

from crossmod.contracts.batch import Inputs
from crossmod_molecule.fingerprints import FingerprintInputs
from crossmod_molecule.processors import FingerprintProcessor
from crossmod_molecule.structures import parse_smiles

SMILES = ["CCO", "[Na+]", "c1ccccc1C(=O)O", "C" * 400, "C[C@H](N)O"]


@pytest.mark.parametrize(("radius", "bits", "chirality"), [(2, 2048, False), (3, 512, True), (0, 64, False)])
def test_dense_is_the_log_of_rdkits_counts(radius: int, bits: int, chirality: bool) -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=bits, includeChirality=chirality)
    expected = np.stack([generator.GetCountFingerprintAsNumPy(parse_smiles(text)) for text in SMILES])
    dense = FingerprintProcessor(radius, bits, chirality)(SMILES).dense()
    torch.testing.assert_close(dense, torch.log1p(torch.from_numpy(expected.astype(np.float32)).clamp(max=255)))


def test_chirality_tells_enantiomers_apart_only_when_asked() -> None:
    pair = ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"]
    blind, seeing = (FingerprintProcessor(2, 2048, chirality)(pair).dense() for chirality in (False, True))
    assert torch.equal(blind[0], blind[1])
    assert not torch.equal(seeing[0], seeing[1])


def test_take_gathers_rows() -> None:
    inputs: FingerprintInputs = FingerprintProcessor(2, 256, False)(SMILES)
    index = torch.tensor([4, 0, 0, 2])
    assert isinstance(inputs, Inputs)
    assert torch.equal(inputs.take(index).dense(), inputs.dense()[index])
    assert len(inputs.take(index[:0])) == 0


def test_atom_pairs_follow_the_morgan_bits_and_tell_chain_lengths_apart() -> None:
    processor = FingerprintProcessor(2, 256, False, atom_pairs=128)
    inputs = processor(["CCCCCCCCCCCC", "CCCCCCCCCCCCCC"])
    dense = inputs.dense()
    assert dense.shape == (2, 384) and inputs.size == 384
    morgan = FingerprintProcessor(2, 256, False)(["CCCCCCCCCCCC", "CCCCCCCCCCCCCC"]).dense()
    assert torch.equal(dense[:, :256], morgan)
    # Both chains consist of the same Morgan environments; only the pairs know how far the ends are apart.
    assert torch.equal(morgan[0] > 0, morgan[1] > 0)
    assert not torch.equal(dense[0, 256:] > 0, dense[1, 256:] > 0)
