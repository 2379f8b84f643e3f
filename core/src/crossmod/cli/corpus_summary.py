"""A corpus in numbers and samples, as JSON values and as lines to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from crossmod.cli.screen import clipped
from crossmod.contracts.corpus import SPLITS, Column, Corpus

SAMPLES = 5
QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
REASONS = 5


def summarise(corpus: Corpus) -> dict[str, Any]:
    """Everything that `crossmod data look` says, as JSON values."""
    groups = np.unique(corpus.group)
    return {
        "name": corpus.name,
        "rows": len(corpus),
        "groups": len(groups),
        "rows_of_the_largest_group": int(np.bincount(np.searchsorted(groups, corpus.group)).max(initial=0)),
        "splits": {name: len(corpus.rows(name)) for name in SPLITS},
        "rows_in_no_split": int(np.count_nonzero(~np.isin(corpus.split, SPLITS))),
        "groups_in_several_splits": _shared_groups(corpus),
        "repeated_rows": _repeated_rows(corpus),
        "modalities": {name: _modality(column) for name, column in corpus.columns.items()},
        "labels": {
            name: {
                "modality": label.modality,
                "classes": len(label.classes),
                "known_rows": int(np.count_nonzero(~np.isnan(label.values))),
            }
            for name, label in corpus.labels.items()
        },
        "rejected": [
            {"modality": entry.modality, "line": entry.line, "item": entry.item, "reason": entry.reason}
            for entry in corpus.rejected
        ],
        "facts": dict(corpus.facts),
    }


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """The summary for a person."""
    yield f"{facts['name']}: {facts['rows']} rows in {facts['groups']} groups"
    yield f"  rows of the largest group: {facts['rows_of_the_largest_group']}"
    yield f"  rows that repeat another: {facts['repeated_rows']}"
    parts = ", ".join(f"{name} {count}" for name, count in facts["splits"].items())
    yield f"  splits: {parts}; in none: {facts['rows_in_no_split']}"
    if facts["groups_in_several_splits"]:
        shared = facts["groups_in_several_splits"]
        yield f"  WARNING: {shared} groups lie in several splits, so what is tested was partly trained on"
    for name, modality in facts["modalities"].items():
        yield ""
        repeated = modality["repeated_items"]
        yield f"{name}: {modality['items']} items ({repeated} repeat another), in {modality['rows']} rows"
        for unit, quantiles in modality.get("lengths", {}).items():
            yield f"  {unit}: " + ", ".join(f"{share} {value:g}" for share, value in quantiles.items())
        yield from (f"  {clipped(sample)}" for sample in modality["samples"])
    for name, label in facts["labels"].items():
        kind = f"{label['classes']} classes" if label["classes"] else "a measured value"
        yield ""
        yield f"label {name} of {label['modality']}: {kind}, known for {label['known_rows']} rows"
    yield from _rejected_lines(facts["rejected"])
    if facts["facts"]:
        yield ""
        yield from (f"{key}: {value}" for key, value in facts["facts"].items())


def _rejected_lines(rejected: list[dict[str, Any]]) -> Iterator[str]:
    yield ""
    yield f"refused by the reader: {len(rejected)}"
    reasons = Counter((entry["modality"], entry["reason"]) for entry in rejected)
    for (modality, reason), count in reasons.most_common(REASONS):
        first = next(e for e in rejected if e["modality"] == modality and e["reason"] == reason)
        yield f"  {count} x {modality}: {clipped(reason)}; first in line {first['line']}: {clipped(first['item'], 60)}"


def _modality(column: Column) -> dict[str, Any]:
    items = column.items
    texts = [item for item in items if isinstance(item, str)]
    spread = np.linspace(0, max(0, len(items) - 1), min(SAMPLES, len(items))).round().astype(int)
    found: dict[str, Any] = {
        "items": len(items),
        "repeated_items": len(texts) - len(set(texts)),
        "rows": int(np.count_nonzero(column.item >= 0)),
        "samples": [item if isinstance(item := items[int(i)], str) else repr(item) for i in spread],
    }
    if texts and len(texts) == len(items):
        found["lengths"] = {
            "characters": _quantiles([len(text) for text in texts]),
            "words": _quantiles([len(text.split()) for text in texts]),
        }
    return found


def _quantiles(lengths: list[int]) -> dict[str, float]:
    names = {0.0: "shortest", 0.5: "median", 1.0: "longest"}
    values = np.quantile(lengths, QUANTILES)
    return {names.get(q, f"{q:.0%}"): float(v) for q, v in zip(QUANTILES, values, strict=True)}


def _shared_groups(corpus: Corpus) -> int:
    taking_part = np.isin(corpus.split, SPLITS)
    pairs = {(int(g), str(s)) for g, s in zip(corpus.group[taking_part], corpus.split[taking_part], strict=True)}
    return sum(count > 1 for count in Counter(group for group, _ in pairs).values())


def _repeated_rows(corpus: Corpus) -> int:
    if not corpus.columns:
        return 0
    contents = np.stack([_content(column) for column in corpus.columns.values()], axis=1)
    return len(contents) - len(np.unique(contents, axis=0))


def _content(column: Column) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """For each row the first position of an equal item, so that equal texts stored twice count as equal."""
    first: dict[Any, int] = {}
    known = [first.setdefault(_key(item), position) for position, item in enumerate(column.items)]
    return np.asarray([*known, -1], dtype=np.int64)[column.item]


def _key(item: Any) -> Any:
    return item if isinstance(item, str | int | float | tuple) else id(item)
