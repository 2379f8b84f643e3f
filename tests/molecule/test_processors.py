"""Processors: one parse, packed parts that concatenate, specs that refuse another reading."""

from __future__ import annotations

import json
import subprocess
import sys
from unittest.mock import patch

import pytest
import torch

from crossmod.errors import UserError
from crossmod_molecule import featuriser
from crossmod_molecule.processors import BLOCK, FingerprintProcessor, GraphProcessor, MoleculeProcessor

BOTH = MoleculeProcessor(GraphProcessor(), FingerprintProcessor(2, 1024, False))
ITEMS = ["CCO", "bad", "c1ccccc1", "", "[Na+]"]


@pytest.mark.parametrize("processor", [GraphProcessor(), FingerprintProcessor(2, 1024, False), BOTH])
def test_rejected_items_are_named_and_the_others_kept(processor: GraphProcessor) -> None:
    processed = processor.process(ITEMS)
    assert processed.accepted.tolist() == [0, 2, 4]
    assert [position for position, _ in processed.rejected] == [1, 3]
    assert len(processor.inputs([processed])) == 3
    with pytest.raises(UserError, match="item 1 cannot be used"):
        processor(ITEMS)


def test_parts_and_blocks_concatenate_to_the_whole() -> None:
    smiles = ["C" * (1 + i % 7) + "O" for i in range(BLOCK + 5)]
    whole = BOTH(smiles)
    parts = BOTH.inputs([BOTH.process(smiles[:3]), BOTH.process([]), BOTH.process(smiles[3:])])
    for name, tensor in vars(whole.graph).items():
        assert torch.equal(tensor, getattr(parts.graph, name)), name
    assert torch.equal(whole.fingerprint.dense(), parts.fingerprint.dense())


def test_both_views_come_from_one_parse() -> None:
    with patch.object(featuriser, "parse_smiles", wraps=featuriser.parse_smiles) as parse:
        both = BOTH(["CCO", "CC"])
    assert parse.call_count == 2
    assert torch.equal(both.graph.x, GraphProcessor()(["CCO", "CC"]).x)
    index = torch.tensor([1, 0, 1])
    taken = both.take(index).to("cpu")
    assert len(taken) == 3
    assert torch.equal(taken.fingerprint.dense(), both.fingerprint.dense()[index])


@pytest.mark.parametrize("processor", [GraphProcessor(), FingerprintProcessor(2, 1024, False), BOTH])
def test_a_spec_survives_json_and_is_accepted_back(processor: GraphProcessor) -> None:
    spec = json.loads(json.dumps(dict(processor.spec)))
    assert processor.require(spec) is processor


def test_another_vocabulary_or_fingerprint_is_refused() -> None:
    spec = json.loads(json.dumps(dict(GraphProcessor().spec)))
    with pytest.raises(UserError, match="vocabulary_hash"):
        GraphProcessor().require(spec | {"vocabulary_hash": "0"})
    with pytest.raises(UserError, match="radius 3"):
        FingerprintProcessor(2, 1024, False).require(dict(FingerprintProcessor(3, 1024, False).spec))


def test_atoms_beyond_the_tables_are_counted() -> None:
    processed = GraphProcessor().process(["[W+9]", "C"])
    assert sum(processed.counts.values()) == 1


def test_processing_imports_no_torch() -> None:
    code = (
        "import sys, crossmod_molecule.processors as p; b = p.MoleculeProcessor(p.GraphProcessor(), "
        "p.FingerprintProcessor(2, 64, False)); assert 'rdkit' not in sys.modules; b.process(['CCO']); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
