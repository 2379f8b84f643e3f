"""The fingerprint tower: a dense perceptron, computed on the set bits."""

from __future__ import annotations

import torch

from crossmod_molecule.encoders.fingerprint import BitLayer, FingerprintTower
from crossmod_molecule.encoders.settings import MorganFingerprint

SMILES = ["CCO", "[Na+]", "CC(=O)Oc1ccccc1C(=O)O"]
SETTINGS = MorganFingerprint(width=16, bits=128, depth=3)


def test_the_first_layer_is_a_dense_layer_with_its_gradient() -> None:
    inputs = SETTINGS.fit_processor([])(SMILES)
    layer = BitLayer(128, 16, dropout=0.0)
    output = layer(inputs)
    output.square().sum().backward()
    weight = layer.weight.detach().clone().requires_grad_()
    expected = inputs.dense() @ weight + layer.bias
    expected.square().sum().backward()
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(layer.weight.grad, weight.grad)


def test_dropping_bits_happens_in_training_only() -> None:
    inputs = SETTINGS.fit_processor([])(SMILES)
    layer = BitLayer(128, 16, dropout=0.5)
    assert not torch.equal(layer(inputs), layer(inputs))
    layer.eval()
    assert torch.equal(layer(inputs), layer(inputs))


def test_a_molecule_does_not_see_its_batch() -> None:
    tower = SETTINGS.build(SETTINGS.fit_processor([])).eval()
    assert isinstance(tower, FingerprintTower)
    inputs = tower.processor(SMILES)
    features = tower(inputs)
    assert features.pooled.shape == (3, 16)
    assert features.tokens is None
    torch.testing.assert_close(tower(inputs.take(torch.tensor([2]))).pooled[0], features.pooled[2])
