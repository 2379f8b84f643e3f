"""Mixtures that run beside their originals, made and refreshed between the blocks of a tower (MixReorg, ICCV 2023).

The paper mixes features that have passed some blocks, and refreshes the mixture in later ones, where attention across
samples would wash out what each patch belongs to. Its code was never released; all of this is [ours].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.fusion.injection import submodule_called
from crossmod.objectives.local.visible_tokens import gather_visible

Refresh = Literal["none", "mean", "sum"]


class MixingPlan(NamedTuple):
    """Where samples are mixed, and what their mixture is told in later blocks.

    Attributes:
        after: Blocks that the samples pass before they are mixed; 0 mixes what enters the first.
        refresh: What enters each later block: the mixture alone ("none"), its mean or its sum with the mix of the
            originals at that depth. Of a set of one, only the mean and "none" leave the sample what it is.
        blocks: Dotted name of the tower's list of blocks; empty takes its `state_layers`.
    """

    after: int = 0
    refresh: Refresh = "none"
    blocks: str = ""

    @property
    def beside(self) -> bool:
        """Whether the originals have to run beside their mixtures."""
        return self.after > 0 or self.refresh != "none"


def tower_blocks(tower: Any, plan: MixingPlan) -> tuple[nn.Module, ...]:
    """The tower's blocks, at least as many as the plan needs: one runs on the mixture, two where it is refreshed.

    Raises:
        ValueError: There is no list of that name, or it is too short.
    """
    if plan.blocks:
        found = submodule_called(tower, plan.blocks)
        layers = tuple(found) if isinstance(found, nn.ModuleList) else ()
    else:
        layers = tuple(getattr(tower, "state_layers", ()))
    needed = plan.after + (1 if plan.refresh == "none" else 2)
    if len(layers) < needed:
        where = f"{plan.blocks!r}" if plan.blocks else "its list of blocks"
        raise ValueError(
            f"mixing after {plan.after} blocks with refresh {plan.refresh!r} needs {needed} blocks, but "
            f"{type(tower).__name__} has {len(layers)} in {where}; name the list in `blocks`, or mix earlier"
        )
    return layers


def source_places(
    source: Int64[Tensor, "sets members length"], mask: Bool[Tensor, "sets members length"]
) -> Int64[Tensor, "rows visible"]:
    """For every visible token of every mixture, which of all the originals' visible tokens stands in its place.

    Rows are the members of all sets end to end, tokens stand as `gather_visible` lays them out, and both are counted
    through. What is padding there stands for itself.

    Shape:
        source: [sets, members, length]; a patch's own member where some member of the set has none.
        mask: [sets, members, length]; true = real token.
    """
    sets, members, length = source.shape
    real = mask.flatten(0, 1)
    seen = gather_visible(torch.zeros(*real.shape, 0, device=mask.device), real)
    most = seen.place.shape[1]
    row = torch.arange(sets, device=mask.device)[:, None, None] * members + source
    flat = (row * most + (mask.cumsum(2) - 1).gather(1, source)).view(sets * members, length)
    itself = torch.arange(sets * members * most, device=mask.device).view(sets * members, most)
    return torch.where(seen.mask, flat.gather(1, seen.place), itself)


@contextmanager
def mixing(layers: Sequence[nn.Module], place: Int64[Tensor, "rows visible"], plan: MixingPlan) -> Iterator[None]:
    """Inside, the blocks run on rows of originals with as many rows of mixtures behind them, one by the plan.

    Mixed before the first block, the rows come mixed; else they come as a second copy of the originals. Tokens that
    the tower puts before its patches (a class token) stay each row's own. The gradient runs through both halves.
    Where activations are recomputed in the backward pass, that pass has to run inside too.

    Args:
        layers: As `tower_blocks` gives them.
        place: As `source_places` gives it.

    Raises:
        ValueError: A block does not run on all tokens of all rows.
    """

    def act(number: int, output: Any) -> Any:
        states = output[0] if isinstance(output, tuple) else output
        changed = remix(states, place, "none" if number < plan.after else plan.refresh)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    with ExitStack() as stack:
        # The last block's states are not touched: told what they stand for, they would have nothing to be read from.
        for number, layer in enumerate(layers[:-1]):
            if number == plan.after - 1 or (number >= plan.after and plan.refresh != "none"):
                handle = layer.register_forward_hook(lambda _module, _inputs, output, n=number: act(n, output))
                stack.callback(handle.remove)
        yield


def remix(
    states: Float[Tensor, "..."], place: Int64[Tensor, "rows visible"], refresh: Refresh
) -> Float[Tensor, "twice_rows length width"]:
    """The states with the second half made anew from the first: its mix ("none"), or the mean or sum of it and the mix.

    Shape:
        states: [2 rows, leading tokens + visible, width]; originals, then mixtures.
        place: [rows, visible].

    Raises:
        ValueError: The states are not of these rows.
    """
    rows, visible = place.shape
    lead = states.shape[1] - visible if states.dim() == 3 else -1
    if lead < 0 or len(states) != 2 * rows:
        raise ValueError(
            f"a block runs on states of {list(states.shape)}, which are not {2 * rows} rows of {visible} patches; "
            "samples can be mixed between blocks that see all patches of a sample, neither packed nor in parts"
        )
    originals, mixtures = states[:rows], states[rows:]
    fresh, own = originals[:, lead:].flatten(0, 1)[place], mixtures[:, lead:]
    if refresh != "none":
        fresh = own + fresh if refresh == "sum" else (own + fresh) / 2
    return torch.cat([originals, torch.cat([mixtures[:, :lead], fresh], 1)])
