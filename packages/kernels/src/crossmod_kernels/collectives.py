"""The few collectives the losses need, under whichever name this torch gives them, for unequal shares too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def _named(*names: str) -> Callable[..., Any]:
    """The first of these collectives that this torch has; none at all where it was built without processes."""
    return next((getattr(dist, name) for name in names if hasattr(dist, name)), _missing)


def _missing(*_: Any, **__: Any) -> Any:
    raise RuntimeError("this torch was built without torch.distributed: use the loss for one process")


# torch 2.13 renamed the two; later versions may warn about the older names.
_gather = _named("all_gather_single", "all_gather_into_tensor")
_reduce_scatter = _named("reduce_scatter_single", "reduce_scatter_tensor")


@dataclass(frozen=True)
class Ranks:
    """The processes of a group, and how many rows each holds: an `Exchange` between them.

    Shares may differ: shorter ones travel padded to the longest, and padding never reaches a product.
    """

    process_group: dist.ProcessGroup | None
    rank: int
    sizes: tuple[int, ...]

    @property
    def total_rows(self) -> int:
        return sum(self.sizes)

    @property
    def first_row(self) -> int:
        """Where the rows of this process start among those of all."""
        return sum(self.sizes[: self.rank])

    def gather_rows(self, own: Tensor) -> Tensor:
        longest = max(self.sizes)
        padded = own.new_empty(longest * len(self.sizes), *own.shape[1:])
        _gather(padded, self._padded(own, longest), group=self.process_group)
        if min(self.sizes) == longest:
            return padded
        return torch.cat([part[:size] for part, size in self._parts(padded, longest)])

    def own_rows(self, every: Tensor) -> Tensor:
        return every[self.first_row : self.first_row + self.sizes[self.rank]]

    def total(self, partial: Tensor) -> Tensor:
        dist.all_reduce(partial, group=self.process_group)
        return partial

    def largest(self, partial: Tensor) -> Tensor:
        largest = partial.clone()
        dist.all_reduce(largest, op=dist.ReduceOp.MAX, group=self.process_group)
        return largest

    def return_rows(self, partial: Tensor) -> Tensor:
        if partial.device.type == "cpu" and dist.get_backend(self.process_group) == "gloo":
            return self._return_by_parts(partial)
        longest, own = max(self.sizes), self.sizes[self.rank]
        if min(self.sizes) != longest:
            padded = partial.new_zeros(longest * len(self.sizes), *partial.shape[1:])
            for (part, size), source in zip(
                self._parts(padded, longest), torch.split(partial, list(self.sizes)), strict=True
            ):
                part[:size] = source
            partial = padded
        received = partial.new_empty(longest, *partial.shape[1:])
        _reduce_scatter(received, partial, group=self.process_group)
        return received[:own]

    def _return_by_parts(self, partial: Tensor) -> Tensor:
        """Every process gets its part of each gradient and adds them up.

        gloo reduces all of the tensor on every process and cuts it afterwards, at twice the bytes.
        """
        processes, own = len(self.sizes), self.sizes[self.rank]
        received = partial.new_empty(processes * own, *partial.shape[1:])
        dist.all_to_all_single(received, partial, [own] * processes, list(self.sizes), group=self.process_group)
        total, *others = torch.split(received, own)
        for other in others:
            total += other
        return total

    def check_same(self, value: Tensor) -> None:
        every = gather_vector(value.reshape(1), self.process_group)
        if not bool((every == every[0]).all()) and not bool(every.isnan().any()):
            raise ValueError(
                f"the loss arrives at its backward pass multiplied by {every.flatten().tolist()} on the processes: "
                "weigh it alike on all of them"
            )

    def _padded(self, own: Tensor, longest: int) -> Tensor:
        if len(own) == longest:
            return own.contiguous()
        return torch.cat([own, own.new_zeros(longest - len(own), *own.shape[1:])])

    def _parts(self, padded: Tensor, longest: int) -> list[tuple[Tensor, int]]:
        return list(zip(torch.split(padded, longest), self.sizes, strict=True))


def gather_vector(own: Tensor, process_group: dist.ProcessGroup | None) -> Tensor:
    """Equal-length vectors of all processes. Shape: own (numbers,); returns (processes, numbers)."""
    every = own.new_empty(dist.get_world_size(process_group) * len(own))
    _gather(every, own.contiguous(), group=process_group)
    return every.view(-1, len(own))
