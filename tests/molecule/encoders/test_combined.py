"""Graph and fingerprint together: both parts count, and stay usable alone."""

from __future__ import annotations

import json

import pytest
import torch

from crossmod.errors import UserError
from crossmod_molecule.encoders.combined import CombinedTower
from crossmod_molecule.encoders.settings import GraphAndFingerprint, GraphIsomorphism, MorganFingerprint

SMILES = ["CCO", "[Na+]", "CC(=O)Oc1ccccc1C(=O)O"]


def settings(**options: object) -> GraphAndFingerprint:
    return GraphAndFingerprint(
        graph=GraphIsomorphism(width=16, depth=2), fingerprint=MorganFingerprint(width=24, bits=128), **options
    )


@pytest.mark.parametrize(("options", "width"), [({}, 16), ({"width": 12}, 12), ({"fusion": "concat"}, 40)])
def test_widths_agree_with_what_is_returned(options: dict[str, object], width: int) -> None:
    tower = settings(**options).build(settings(**options).fit_processor([])).eval()
    features = tower(tower.processor(SMILES))
    assert tower.width == width
    assert features.pooled.shape == (3, width)
    assert features.tokens.shape == (3, 13, width)
    assert features.mask.sum() == 17


def test_concatenation_is_both_towers_side_by_side() -> None:
    tower = settings(fusion="concat").build(settings().fit_processor([])).eval()
    assert isinstance(tower, CombinedTower)
    graph = tower.graph(tower.graph.processor(SMILES)).pooled
    fingerprint = tower.fingerprint(tower.fingerprint.processor(SMILES)).pooled
    torch.testing.assert_close(tower(tower.processor(SMILES)).pooled, torch.cat((graph, fingerprint), dim=-1))


def test_hidden_atoms_are_not_betrayed_by_the_fingerprint() -> None:
    tower = settings().build(settings().fit_processor([])).eval()
    tokens = tower.tokenise(tower.processor(["CCO", "CCN"]))
    hidden = tower.encode(tokens, torch.tensor([[True, True, False]] * 2))
    torch.testing.assert_close(hidden.tokens[0], hidden.tokens[1])
    assert not torch.allclose(hidden.pooled[0], hidden.pooled[1])


def test_a_checkpoint_with_another_fingerprint_is_refused() -> None:
    spec = json.loads(json.dumps(dict(settings().fit_processor([]).spec)))
    assert settings().load_processor(spec, {}) == settings().fit_processor([])
    spec["fingerprint"]["bits"] = 256
    with pytest.raises(UserError, match="fingerprint"):
        settings().load_processor(spec, {})
