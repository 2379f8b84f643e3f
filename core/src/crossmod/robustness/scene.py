"""The question that an attack is scored on: the items of one modality, searched by and searching those of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.contracts.batch import Inputs
from crossmod.errors import UserError
from crossmod.evaluation.retrieval import gallery
from crossmod.model import CrossModal
from crossmod.robustness.continuous import values_of, with_values
from crossmod.robustness.set_guided import guide_sums
from crossmod.robustness.universal import Batches, GuidedBatch
from crossmod.robustness.victim import encoder_of
from crossmod.training.prepare import Prepared
from crossmod_metrics import ranks

Ranks = Mapping[str, Float[Tensor, "queries"]]
"""The rank of each query's best positive, by direction."""


class About(NamedTuple):
    """What describes the items of a batch, on the model's device; see `GuidedBatch`.

    Shape:
        guides: [guides, dim].
        owner: [guides].
        group: [batch].
    """

    guides: Float[Tensor, "guides dim"]
    owner: Int64[Tensor, "guides"]
    group: Int64[Tensor, "batch"]


MakeBatch = Callable[[Int64[Tensor, "part"], Inputs, About], GuidedBatch]
"""The places of a batch's items, their inputs and what describes them in, the batch out."""


@dataclass(frozen=True)
class Scene:
    """The attacked items of a split and what describes them.

    Args:
        modality: The attacked modality.
        guide: The other one.
        inputs: The attacked items.
        group: [items] of each.
        guide_group: [guides] of each.
        guides: [guides, dim] their embeddings under the attacked model.
    """

    modality: str
    guide: str
    inputs: Inputs
    group: Int64[Tensor, "items"]
    guide_group: Int64[Tensor, "guides"]
    guides: Float[Tensor, "guides dim"]

    @property
    def values(self) -> Float[Tensor, "items *shape"]:
        """The clean content of the attacked items."""
        return values_of(self.inputs, self.modality)

    def pairs(self) -> tuple[Int64[Tensor, "pairs"], Int64[Tensor, "pairs"]]:
        """(item, guide) wherever both have one group, in the order of the items and then of the guides."""
        groups, order = torch.sort(self.guide_group, stable=True)
        first = torch.searchsorted(groups, self.group)
        count = torch.searchsorted(groups, self.group, right=True) - first
        item = torch.repeat_interleave(torch.arange(len(count)), count)
        within_run = torch.arange(len(item)) - (torch.cumsum(count, 0) - count)[item]
        return item, order[first[item] + within_run]

    def sums(self) -> Float[Tensor, "items dim"]:
        """The sum of the guides of every item."""
        item, guide = self.pairs()
        return guide_sums(self.guides[guide], item, len(self.group))

    def parts(self, model: CrossModal, batch_size: int) -> Iterator[tuple[slice, Inputs]]:
        """Runs of items on the model's device."""
        device = next(model.parameters()).device
        for start in range(0, len(self.group), batch_size):
            rows = slice(start, min(start + batch_size, len(self.group)))
            yield rows, self.inputs.take(torch.arange(rows.start, rows.stop)).to(device)

    def ranks(self, model: CrossModal, values: Float[Tensor, "items *shape"] | None = None) -> Ranks:
        """The rank of each query's best positive, by direction.

        Args:
            model: The model that the guides were embedded by.
            values: Other content of the attacked items; None is clean.
        """
        inputs = self.inputs if values is None else with_values(self.inputs, values)
        return self.ranks_of(model.embed(self.modality, inputs))

    def ranks_of(self, vectors: Float[Tensor, "items dim"]) -> Ranks:
        """The rank of each query's best positive, by direction, where the attacked items have these embeddings."""
        return {
            f"{self.modality} → {self.guide}": ranks(vectors, self.guides, self.group, self.guide_group),
            f"{self.guide} → {self.modality}": ranks(self.guides, vectors, self.guide_group, self.group),
        }

    def take(self, items: Int64[Tensor, "some"]) -> Scene:
        """Some of the attacked items, among all that describes any."""
        return replace(self, inputs=self.inputs.take(items), group=self.group[items])

    def with_inputs(self, inputs: Inputs) -> Scene:
        """The same items with other content, one input an item."""
        assert len(inputs) == len(self.group), f"{len(inputs)} inputs for {len(self.group)} items"
        return replace(self, inputs=inputs)

    def batches(self, model: CrossModal, batch_size: int) -> Batches:
        """Shuffled passes over the items, for universal perturbations."""

        def guided(rows: Int64[Tensor, "part"], inputs: Inputs, about: About) -> GuidedBatch:
            encode = encoder_of(model, self.modality, inputs)
            return GuidedBatch(encode, values_of(inputs, self.modality), about.guides, about.owner, about.group)

        return self.passes(model, batch_size, guided)

    def passes(self, model: CrossModal, batch_size: int, make: MakeBatch) -> Batches:
        """Shuffled passes over the items, each batch made of its items' places, their inputs and what guides them."""
        item, guide = self.pairs()
        device = next(model.parameters()).device

        def one_pass(generator: torch.Generator) -> Iterator[GuidedBatch]:
            order = torch.randperm(len(self.group), generator=generator)
            for rows in torch.split(order, batch_size):
                place = torch.full((len(self.group),), -1)
                place[rows] = torch.arange(len(rows))
                here = place[item] >= 0
                about = About(
                    self.guides[guide[here]].to(device), place[item[here]].to(device), self.group[rows].to(device)
                )
                yield make(rows, self.inputs.take(rows).to(device), about)

        return one_pass


def scene(
    model: CrossModal, prepared: Prepared, *, modality: str, guide: str, split: str, read_anew: bool = False
) -> Scene:
    """The items of a split's rows that hold both modalities.

    Args:
        model: The model that embeds the guides.
        prepared: The corpus.
        modality: The attacked one.
        guide: The other.
        split: Whose rows.
        read_anew: Read the guides with the model's own processor: for a model that the corpus was not prepared for.

    Raises:
        UserError: The split has no such row.
    """
    rows = prepared.rows(split, modality, guide)
    if not len(rows):
        raise UserError(
            f"no row of the {split} split of {prepared.corpus.name} has both {modality} and {guide}; "
            "choose another split with --split."
        )
    attacked, asking = gallery(prepared, modality, rows), gallery(prepared, guide, rows)
    raw = prepared.corpus.columns[guide].items
    guides = [raw[i] for i in asking.item.tolist()] if read_anew else prepared.inputs[guide].take(asking.item)
    return Scene(
        modality,
        guide,
        prepared.inputs[modality].take(attacked.item),
        attacked.group,
        asking.group,
        model.embed(guide, guides),
    )


def attacked_values(
    scene: Scene,
    model: CrossModal,
    batch_size: int,
    attack: Callable[[slice, Inputs], Float[Tensor, "part *shape"]],
) -> Float[Tensor, "items *shape"]:
    """What an attack makes of every item, run by run, on the CPU."""
    return torch.cat([attack(rows, inputs).cpu() for rows, inputs in scene.parts(model, batch_size)])
