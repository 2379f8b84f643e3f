"""HiVG's adaptive bridge: states of several levels of one tower, weighed and joined, enter a layer of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.attention import MultiHeadAttention
from crossmod.fusion.batches import require_one_batch
from crossmod.fusion.injection import Injection, submodule_called
from crossmod.fusion.masks import require_mask
from crossmod.fusion.residual import FeedForward


class MultiLevelBridge(nn.Module):
    """h + MLP(attention(LN(h), W concat_i(t_i + E_i * t_i))) (HiVG, arXiv:2404.13400).

    E_i holds one learned number a position and channel of each level; it starts at zero, where levels enter as they
    are. The released code lets keys mix the samples of a batch (a transposition) and attends to padding; here samples
    are independent and padding is masked, so the published figures are not expected to the digit.

    Args:
        width: Width of the tokens that are bridged to.
        heads: Attention heads.
        levels: Number of levels of the other tower.
        level_width: Width of their states.
        length: Longest sequence of the other tower.
        expansion: Width of the hidden layer of the MLP, in widths.
    """

    def __init__(
        self, width: int, heads: int, *, levels: int, level_width: int, length: int, expansion: float = 4.0
    ) -> None:
        super().__init__()
        self.adapt = nn.Parameter(torch.zeros(levels, length, level_width))
        self.join = nn.Linear(levels * level_width, width)
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.mlp = FeedForward(width, expansion)

    def adapted(
        self, states: Sequence[Float[Tensor, "batch length level_width"]]
    ) -> list[Float[Tensor, "batch length level_width"]]:
        """t_i + E_i * t_i for every level.

        Raises:
            ValueError: Another number of levels, or longer sequences, than the bridge was built for.
        """
        levels, length, _ = self.adapt.shape
        if len(states) != levels or any(state.shape[1] > length for state in states):
            raise ValueError(
                f"the bridge is built for {levels} levels of at most {length} tokens and was given "
                f"{[state.shape[1] for state in states]}; build it for those."
            )
        return [state + scale[: state.shape[1]] * state for state, scale in zip(states, self.adapt, strict=True)]

    def forward(
        self,
        tokens: Float[Tensor, "batch query width"],
        states: Sequence[Float[Tensor, "batch length level_width"]],
        mask: Bool[Tensor, "batch length"] | None = None,
    ) -> Float[Tensor, "batch query width"]:
        """Add to the tokens what they read from the levels; where every state is masked, they add the MLP of zero."""
        return tokens + self.read(tokens, states, mask)

    def read(
        self,
        tokens: Float[Tensor, "batch query width"],
        states: Sequence[Float[Tensor, "batch length level_width"]],
        mask: Bool[Tensor, "batch length"] | None = None,
    ) -> Float[Tensor, "batch query width"]:
        """What is added."""
        for state in states:
            require_one_batch(tokens=tokens, state=state)
        if mask is not None:
            for state in states:
                require_mask("mask", mask, state)
            states = [state.masked_fill(~mask[..., None], 0.0) for state in states]
        context = self.join(torch.cat(self.adapted(states), -1))
        read: Tensor = self.mlp(self.attention(self.norm(tokens), context, mask))
        return read


class BridgeInjection(Injection):
    """Put a bridge into a block of a frozen tower, behind the residual of its self-attention, as HiVG has it.

        injection = BridgeInjection(bridge, tower.blocks[3])
        with injection.given(text_states, text_mask):
            features = tower(inputs)

    The block is pre-norm and adds the submodule's output to its own input: with h the block's input and s that output,
    s becomes s + bridge(h + s) - (h + s), so that the MLP and the residual stream go on from the bridged tokens.

    Args:
        bridge: The bridge.
        block: The block, called with its tokens first.
        at: Name of the output projection of its self-attention ("attention_out" in crossmod's blocks).

    Raises:
        ValueError: The block has no such submodule.
    """

    def __init__(self, bridge: MultiLevelBridge, block: nn.Module, *, at: str = "attention_out") -> None:
        super().__init__()
        self.bridge = bridge
        self._entered: Tensor | None = None
        self.attach(submodule_called(block, at))
        block.register_forward_pre_hook(self._on_input)

    def inject(self, output: Tensor, context: Any, context_mask: Tensor | None) -> Tensor:
        """The output with what the bridge adds."""
        assert self._entered is not None
        entered, self._entered = self._entered, None
        return output + self.bridge.read(entered + output, context, context_mask)

    def _on_input(self, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._entered = inputs[0] if self._given is not None else None


class MultiLevelProjection(nn.Module):
    """W concat_i(h_i): the states of several layers of one tower in the width of the grounding (HiVG).

    It starts as the tower's own projection, repeated for every level: the sum of the projected levels.

    Args:
        levels: Number of layers whose states come in (4 in the paper: layers 1, 4, 8, 12 of ViT-B).
        width: Width of the states.
        out_width: Width that comes out.
        initial: [out_width, width]; the tower's projection, such as CLIP's; None starts Xavier-uniform.

    Raises:
        ValueError: The projection has another shape.
    """

    def __init__(
        self, levels: int, width: int, out_width: int, *, initial: Float[Tensor, "out_width width"] | None = None
    ) -> None:
        super().__init__()
        self.join = nn.Linear(levels * width, out_width, bias=False)
        if initial is None:
            nn.init.xavier_uniform_(self.join.weight)
            return
        if initial.shape != (out_width, width):
            raise ValueError(
                f"the projection to start from is {tuple(initial.shape)}; it has to be [{out_width}, {width}]."
            )
        with torch.no_grad():
            self.join.weight.copy_(initial.repeat(1, levels))

    def forward(self, states: Sequence[Float[Tensor, "batch length width"]]) -> Float[Tensor, "batch length out_width"]:
        """Join the states of all levels, lowest first.

        Raises:
            ValueError: Another number or width of states than it was built for, or they differ in their rows.
        """
        for state in states:
            require_one_batch(lowest=states[0], state=state)
        joined = torch.cat(list(states), -1)
        if joined.shape[-1] != self.join.in_features:
            raise ValueError(
                f"{len(states)} states of {joined.shape[-1]} channels together were given to a projection of "
                f"{self.join.in_features}; give one state a level, lowest first."
            )
        projected: Tensor = self.join(joined)
        return projected
