"""The model card, written by the run itself from what it knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from crossmod.domain import Domain
from crossmod.model import CrossModal
from crossmod.recipe import Recipe
from crossmod.training.prepare import Prepared
from crossmod_report import Table, markdown_table


def model_card(
    domain: Domain,
    recipe: Recipe,
    model: CrossModal,
    prepared: Prepared,
    environment: Mapping[str, Any],
    tables: Sequence[Table],
    step: int,
) -> str:
    """The README of a model folder, in Markdown: what it is, what it was trained on, how it scores, how to load it."""
    corpus = prepared.corpus
    splits = Counter(str(name) or "candidates only" for name in corpus.split)
    towers = [
        f"| {name} | {type(model.tower(name)).__name__} | {model.tower(name).width} | "
        f"{sum(p.numel() for p in model.tower(name).parameters()):,} |"
        for name in model.modalities
    ]
    parts = [
        f"# {domain.name} model, {' and '.join(model.modalities)}",
        f"{domain.summary[:1].upper()}{domain.summary[1:].rstrip('.')}. Trained by crossmod for {step} steps of "
        f"{recipe.run.batch_size} rows with seed {recipe.seed}; embeddings have {model.embedding_width} dimensions "
        "and unit length, so their dot product is the cosine.",
        "## Results",
        *[markdown_table(table) for table in tables],
        "## Training data",
        f"Corpus {corpus.name}: {len(corpus):,} rows, {len(set(corpus.group.tolist())):,} groups; "
        + ", ".join(f"{name} {count:,}" for name, count in sorted(splits.items()))
        + ".",
        "\n".join([*_bullets(corpus.facts), *[f"- {sentence}" for sentence in data_warnings(prepared)]]),
        "## Towers",
        "\n".join(["| modality | tower | width | parameters |", "|---|---|---|---|", *towers]),
        "## Use",
        "```python\nimport crossmod\n\n"
        'model = crossmod.load("path/to/this/folder")\n'
        f'vectors = model.embed("{model.modalities[-1]}", [...])  # [items, {model.embedding_width}], unit length\n'
        "```",
        "The whole recipe stands in `recipe.yaml`, what each tower expects of its input in `spec.json`.",
        "## Limits",
        "The scores above hold for this corpus and this split; a model learns the wording and the kinds of items it "
        "was shown. Evaluate it on data of your own before you rely on it: `crossmod evaluate RUN --data ...`.",
        "## Environment",
        "\n".join(_bullets(environment)),
    ]
    return "\n\n".join(parts) + "\n"


def _bullets(facts: Mapping[str, Any]) -> list[str]:
    """One line a fact; a mapping has its entries on lines below it."""
    lines = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            lines += [f"- {name}:", *[f"  - {key}: {entry}" for key, entry in value.items()]]
        else:
            lines.append(f"- {name}: {value}")
    return lines


def data_warnings(prepared: Prepared) -> list[str]:
    """What a reader should know of the data, one sentence each: rejected items, texts that were cut."""
    sentences = []
    if prepared.rejected:
        sentences.append(f"{len(prepared.rejected)} items could not be used; rejects.tsv of the run lists them.")
    return sentences + [f"{name}: {count}" for name, count in prepared.counts.items() if count]
