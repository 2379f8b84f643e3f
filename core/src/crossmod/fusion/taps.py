"""Collect what chosen layers of any encoder put out, without touching the encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


class HiddenStateTap:
    """Listen to chosen layers while an encoder runs.

        with HiddenStateTap(list(tower.blocks)[-6:], norm=tower.norm).listening() as states:
            features = tower(inputs)
        fused = encoder(states, ...)

    BridgeTower (arXiv:2206.08657, released code) applies the vision tower's own final norm to every layer that it
    uses, not only to the last; `norm` does so.

    Args:
        layers: The modules to listen to, in the order of their depth; of a tuple the first entry is the state.
        norm: Applied to every state; belongs to the encoder.

    Raises:
        ValueError: No layer is given.
    """

    def __init__(self, layers: Sequence[nn.Module], *, norm: nn.Module | None = None) -> None:
        if not layers:
            raise ValueError("a tap was given no layer to listen to; name at least one.")
        self._layers, self._norm = list(layers), norm

    @contextmanager
    def listening(self) -> Iterator[list[Tensor]]:
        """Inside, every run of the layers fills the list that this yields; it is complete after the block.

        Raises:
            ValueError: A layer ran more than once or not at all: its state is not that of one batch.
        """
        heard: dict[int, Tensor] = {}
        states: list[Tensor] = []

        def hear(index: int, output: Any) -> None:
            if index in heard:
                raise ValueError(f"layer {index} of the tap ran twice; run the encoder once inside it.")
            state = output[0] if isinstance(output, tuple) else output
            if state.dim() == 2:
                raise ValueError(f"layer {index} of the tap ran on packed tokens; build its tower with packed=False.")
            heard[index] = state if self._norm is None else self._norm(state)

        handles = [
            layer.register_forward_hook(lambda _module, _inputs, output, index=index: hear(index, output))
            for index, layer in enumerate(self._layers)
        ]
        try:
            yield states
        finally:
            for handle in handles:
                handle.remove()
        missing = [index for index in range(len(self._layers)) if index not in heard]
        if missing:
            raise ValueError(f"layers {missing} of the tap never ran; run the encoder inside it, or tap others.")
        states.extend(heard[index] for index in range(len(self._layers)))
