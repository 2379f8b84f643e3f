"""Change what a submodule of a ready-made network puts out, only while there is a context to change it with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jaxtyping import Bool
from torch import Tensor, nn


class Injection(nn.Module, ABC):
    """Acts on the output of a submodule inside `given`; outside of it the submodule is left alone.

    Outside, no context is needed or read and no zero is multiplied with anything: the network is the one it was. Where
    activations are recomputed in the backward pass, that pass has to run inside `given` too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._given: tuple[Any, Tensor | None] | None = None

    @abstractmethod
    def inject(self, output: Tensor, context: Any, context_mask: Tensor | None) -> Tensor:
        """What the submodule's output becomes."""

    def attach(self, submodule: nn.Module) -> None:
        """Let it act on the output of a submodule from now on; of a tuple the first entry is the output."""
        submodule.register_forward_hook(self._on_output)

    @contextmanager
    def given(self, context: Any, context_mask: Bool[Tensor, "batch keys"] | None = None) -> Iterator[None]:
        """Inside, the submodule that it is attached to reads this context."""
        self._given = (context, context_mask)
        try:
            yield
        finally:
            self._given = None

    def _on_output(self, _module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
        if self._given is None:
            return None
        if isinstance(output, tuple):
            return (self.inject(output[0], *self._given), *output[1:])
        return self.inject(output, *self._given)


def submodule_called(block: nn.Module, name: str) -> nn.Module:
    """The submodule of that dotted name.

    Raises:
        ValueError: There is none.
    """
    named: dict[str, nn.Module] = dict(block.named_modules())
    if name not in named or not name:
        raise ValueError(
            f"a {type(block).__name__} has no submodule {name!r} to inject after; "
            f"it has {', '.join(filter(None, named))}."
        )
    return named[name]
