"""`crossmod embed`: the vectors of a corpus's items as Parquet, with ids, groups and splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from crossmod.contracts.corpus import SPLITS
from crossmod.domain import Domain
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.recipe import DataSettings
from crossmod.runs.atomic import write_atomic
from crossmod.runs.model_folder import load_model_and_recipe
from crossmod.training.display import Display

BATCH = 1024


def embed(
    domain: Domain | None,
    path: Path,
    *,
    modality: str,
    output: Path,
    split: str = "all",
    data: DataSettings | None = None,
) -> int:
    """Write one line a row of the corpus that has the modality: id, group, split, vector.

    Args:
        domain: The domain, when it is not an installed one.
        path: A run folder or a model folder.
        modality: Which tower embeds.
        output: The Parquet file; written atomically.
        split: One split, or "all".
        data: Another corpus than the one that the model was trained on.

    Raises:
        UserError: No such modality or split, or nothing to embed.
    """
    model, recipe, _ = load_model_and_recipe(path, domain)
    model.tower(modality)
    if split not in ("all", *SPLITS):
        raise UserError(f"there is no split {split!r}; take all, {', '.join(SPLITS)}.")
    if data is not None:
        recipe = replace(recipe, data=data)
    with Display.for_main(True) as display:
        prepared = EvaluationContext(model, recipe, display).prepared
        corpus = prepared.corpus
        rows = np.arange(len(corpus)) if split == "all" else corpus.rows(split)
        item = prepared.item[modality].numpy()
        rows = rows[item[rows] >= 0]
        if not len(rows):
            raise UserError(f"no row of split {split} of {corpus.name} has a {modality}; take --split all.")
        distinct, place = np.unique(item[rows], return_inverse=True)
        vectors = np.empty((len(distinct), model.embedding_width), dtype=np.float32)
        for start in range(0, len(distinct), BATCH):
            index = torch.from_numpy(distinct[start : start + BATCH])
            vectors[start : start + BATCH] = model.embed(modality, prepared.inputs[modality].take(index)).numpy()
            display.advance(f"embedding {modality}", start + len(index), len(distinct))
        table = pa.table(
            {
                "id": pa.array([corpus.ids[row] for row in rows]),
                "group": pa.array(corpus.group[rows]),
                "split": pa.array([str(corpus.split[row]) for row in rows]),
                "vector": _vectors(vectors[place]),
            }
        )
        write_atomic(output, lambda temporary: pq.write_table(table, temporary, compression="zstd"))
        display.say(f"{len(rows)} vectors of {model.embedding_width} dimensions in {output}")
    return 0


def _vectors(rows: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> pa.Array:
    """Fixed-size lists: one buffer, which readers see as a matrix."""
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
