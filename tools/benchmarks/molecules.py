"""Featurising and collating molecules, against torch_geometric."""

from __future__ import annotations

from pathlib import Path

import torch
from rdkit import Chem, RDConfig, RDLogger
from torch_geometric.data import Batch
from torch_geometric.utils import from_smiles

from benchmarks.measure import Result, interleaved
from crossmod_molecule.graphs import GraphInputs
from crossmod_molecule.processors import GraphProcessor

BLOCK = 256


def molecules(count: int = 2000) -> list[str]:
    """The first molecules of the NCI file that ships inside RDKit."""
    RDLogger.DisableLog("rdApp.*")
    lines = (Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi").read_text().splitlines()
    texts = [line.split()[0] for line in lines if line.strip()]
    return [text for text in texts if Chem.MolFromSmiles(text) is not None][:count]


def featuriser(rounds: int) -> list[Result]:
    """Raw SMILES to graph tensors, molecules a processor second on one core."""
    texts, processor = molecules(), GraphProcessor()

    def ours() -> list[GraphInputs]:
        blocks = [texts[start : start + BLOCK] for start in range(0, len(texts), BLOCK)]
        return [processor.inputs([processor.process(block)]) for block in blocks]

    seconds = interleaved(
        {
            "ours": ours,
            "from_smiles": lambda: [from_smiles(text) for text in texts],
            "parse": lambda: [Chem.MolFromSmiles(text) for text in texts],
        },
        rounds,
    )
    rate = {name: len(texts) / value for name, value in seconds.items()}
    ratio, bound = rate["ours"] / rate["from_smiles"], rate["parse"] / rate["ours"]
    return [
        Result(
            "SMILES to graph, molecules/s (torch_geometric from_smiles)",
            f"{rate['ours']:,.0f}",
            f"{rate['from_smiles']:,.0f}",
            f"{ratio:.2f}x",
            ">= 2.5x",
            ratio >= 2.5,
        ),
        Result(
            "the same against RDKit's parser alone, molecules/s",
            f"{rate['ours']:,.0f}",
            f"{rate['parse']:,.0f}",
            f"{bound:.2f}x the parser's time",
            "<= 4.5x",
            bound <= 4.5,
        ),
    ]


def collation(rounds: int) -> list[Result]:
    """256 graphs of a packed store as one batch, molecules a processor second."""
    texts, processor = molecules(), GraphProcessor()
    store = processor.inputs([processor.process(texts)])
    singles = store.to_data_list()
    generator = torch.Generator().manual_seed(0)
    picks = [torch.randperm(len(store), generator=generator)[:BLOCK] for _ in range(64)]

    def ours() -> list[object]:
        # Everything that a tower reads, so that nothing is put off until after the clock has stopped.
        return [
            (taken.x, taken.edge_index, taken.edge_attr, taken.batch) for taken in (store.take(pick) for pick in picks)
        ]

    def theirs() -> list[Batch]:
        return [Batch.from_data_list([singles[i] for i in pick.tolist()]) for pick in picks]

    for (x, edges, bonds, owner), batch in zip(ours(), theirs(), strict=True):
        assert torch.equal(x, batch.x) and torch.equal(edges, batch.edge_index)
        assert torch.equal(bonds, batch.edge_attr) and torch.equal(owner, batch.batch)
    seconds = interleaved({"ours": ours, "theirs": theirs}, rounds)
    rate = {name: BLOCK * len(picks) / value for name, value in seconds.items()}
    ratio = rate["ours"] / rate["theirs"]
    packed = sum(
        t.nbytes for t in (store.atoms, store.edges, store.bonds, store.atom_offsets, store.edge_offsets)
    ) / len(store)
    loose = sum(t.nbytes for d in singles for t in (d.x, d.edge_index, d.edge_attr)) / len(store)
    return [
        Result(
            "collating 256 graphs, molecules/s (Batch.from_data_list)",
            f"{rate['ours']:,.0f}",
            f"{rate['theirs']:,.0f}",
            f"{ratio:.1f}x",
            ">= 12x",
            ratio >= 12,
        ),
        Result(
            "bytes a molecule in the store",
            f"{packed:.0f}",
            f"{loose:.0f}",
            f"{packed / loose:.0%}",
            "<= 30%",
            packed <= 0.3 * loose,
        ),
    ]
