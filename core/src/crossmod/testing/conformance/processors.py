"""What a domain's processors promise: reasons instead of exceptions, and the same inputs however they were made."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from crossmod.contracts.batch import Inputs
from crossmod.contracts.processor import Processor
from crossmod.errors import UserError
from crossmod.recipe import Recipe
from crossmod.runs.processor_folder import load_processors, require_same_specs, save_processors
from crossmod.testing.conformance.subject import Conformance, modality_names
from crossmod.testing.difference import difference
from crossmod.testing.spawned import process_and_look

NO_ITEMS = (None, object())
"""What no modality can read."""


class ProcessorConformance(Conformance):
    """The processors of the small run, on its usable items and on hostile ones.

    Attributes:
        hostile: By modality, items that have to be rejected with a reason.
        torch_in_workers: Modalities whose processors may import torch while they process.
    """

    hostile: ClassVar[Mapping[str, Sequence[Any]]] = {}
    torch_in_workers: ClassVar[Sequence[str]] = ()

    @pytest.fixture
    def processor(self, modality: str, processors: Mapping[str, Processor]) -> Processor:
        """The modality's processor."""
        return processors[modality]

    @pytest.fixture
    def items(self, modality: str, usable: Mapping[str, list[Any]]) -> list[Any]:
        """Its usable items."""
        return usable[modality]

    def test_hostile_items_are_stated(self) -> None:
        unstated = [name for name in modality_names(self.domain) if not self.hostile.get(name)]
        assert unstated == [], f"state items that {unstated} must reject, in the attribute `hostile`"

    def test_spec_is_json(self, processor: Processor) -> None:
        assert json.loads(json.dumps(dict(processor.spec), allow_nan=False)).keys() == processor.spec.keys()

    def test_accepts_in_order(self, processor: Processor, items: list[Any]) -> None:
        processed = processor.process(items)
        assert processed.accepted.tolist() == list(range(len(items))) and not processed.rejected
        assert all(isinstance(count, int) for count in processed.counts.values())
        inputs = processor.inputs([processed])
        assert isinstance(inputs, Inputs) and len(inputs) == len(items)

    def test_saved_and_loaded_reads_the_same(
        self,
        modality: str,
        processors: Mapping[str, Processor],
        items: list[Any],
        recipe: Recipe,
        tmp_path: Path,
    ) -> None:
        save_processors(tmp_path, processors)
        loaded = load_processors(tmp_path, recipe.towers.modalities)
        require_same_specs(loaded, {name: _as_json(processor.spec) for name, processor in processors.items()}, "memory")
        assert loaded[modality].files() == processors[modality].files()
        assert difference(processors[modality](items), loaded[modality](items), "inputs") is None

    def test_another_spec_is_refused(self, modality: str, recipe: Recipe) -> None:
        with pytest.raises(UserError):
            recipe.towers.modalities[modality].load_processor({"kind": "nothing that is known"}, {})

    def test_pickled_reads_the_same(self, processor: Processor, items: list[Any]) -> None:
        processor(items)  # what it made on the way must not stand in its way
        copy = pickle.loads(pickle.dumps(processor))
        assert difference(processor(items), copy(items), "inputs") is None

    def test_worker_reads_the_same_without_torch(self, modality: str, processor: Processor, items: list[Any]) -> None:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            processed, torch_came = pool.submit(process_and_look, processor, items).result()
        assert difference(processor.process(items), processed, "processed") is None
        if modality not in self.torch_in_workers:
            assert not torch_came, "processing imports torch, which every worker process would wait for"

    def test_hostile_items_are_rejected_in_words(self, modality: str, processor: Processor) -> None:
        hostile = [*self.hostile.get(modality, ()), *NO_ITEMS]
        processed = processor.process(hostile)
        assert [hostile[place] for place in processed.accepted.tolist()] == []
        assert [place for place, _ in processed.rejected] == list(range(len(hostile)))
        for _, reason in processed.rejected:
            assert len(reason.split()) >= 2 and "\n" not in reason and "Traceback" not in reason, reason
        assert len(processor.inputs([processed])) == 0

    def test_called_on_a_hostile_item_names_its_position(
        self, modality: str, processor: Processor, items: list[Any]
    ) -> None:
        for bad in (*self.hostile.get(modality, ()), *NO_ITEMS):
            with pytest.raises(UserError, match="item 1 "):
                processor([items[0], bad, items[1]])

    def test_chunks_give_what_the_whole_gives(self, modality: str, processor: Processor, items: list[Any]) -> None:
        bad = list(self.hostile.get(modality, NO_ITEMS))
        mixed = [*bad, *items[:3], *bad, *items[3:], *bad]
        whole = processor.process(mixed)
        assert [mixed[place] for place in whole.accepted.tolist()] == items
        for size in (1, 3):
            parts = [processor.process(mixed[start : start + size]) for start in range(0, len(mixed), size)]
            starts = range(0, len(mixed), size)
            accepted = [part.accepted + start for part, start in zip(parts, starts, strict=True)]
            assert np.concatenate(accepted).tolist() == whole.accepted.tolist()
            assert sum(len(part.rejected) for part in parts) == len(whole.rejected)
            assert difference(processor.inputs([whole]), processor.inputs(parts), "inputs") is None

    def test_take_permutes_and_repeats(self, processor: Processor, items: list[Any]) -> None:
        for index in ([*range(len(items) - 1, -1, -1)], [2, 0, 2, 2, 1], [3]):
            taken = processor(items).take(torch.tensor(index))
            assert difference(processor([items[place] for place in index]), taken, "inputs") is None

    def test_goes_to_a_device(self, processor: Processor, items: list[Any]) -> None:
        inputs = processor(items)
        assert difference(inputs, inputs.to("cpu"), "inputs") is None
        assert difference(inputs, inputs.to(torch.device("cpu")), "inputs") is None

    def test_nothing_gives_no_inputs(self, processor: Processor, items: list[Any]) -> None:
        processed = processor.process([])
        assert len(processed.accepted) == 0 and not processed.rejected
        nothing = processor.inputs([processed])
        assert len(nothing) == 0 and len(nothing.take(torch.empty(0, dtype=torch.int64))) == 0
        assert difference(nothing, processor(items).take(torch.empty(0, dtype=torch.int64)), "inputs") is None


def _as_json(spec: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(dict(spec)))
    return found
