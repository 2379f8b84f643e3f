"""Which modules and parameters a pattern of dotted names stands for, and what to say when it stands for none."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from torch import nn

from crossmod.state.low_rank import LowRankLinear


@dataclass(frozen=True)
class NamedParts:
    """Modules with all that they hold, all their parameters, and the parameters that a pattern named one by one."""

    modules: set[nn.Module]
    parameters: set[nn.Parameter]
    named: set[nn.Parameter]


def match(model: nn.Module, pattern: str, but: str = "") -> NamedParts:
    """What a freeze pattern names, less an exception.

    Raises:
        ValueError: The pattern, or its exception within that, names nothing.
    """
    frozen = _called(model, pattern)
    if not frozen.modules and not frozen.named:
        raise ValueError(f"freeze pattern {pattern!r} matches no part of the model{_what_there_is(model, pattern)}")
    if not but:
        return frozen
    spared = _called(model, but)
    left = spared.parameters | spared.named
    if not left & (frozen.parameters | frozen.named):
        raise ValueError(
            f"the exception {but!r} from freezing {pattern!r} names no parameter of it; it has "
            f"{', '.join(_names_of(model, frozen.parameters | frozen.named))}."
        )
    return NamedParts(frozen.modules - spared.modules, frozen.parameters - left, frozen.named - left)


def _called(model: nn.Module, pattern: str) -> NamedParts:
    heads = [part for name, part in model.named_modules() if name and re.fullmatch(pattern, name)]
    return NamedParts(
        {part for head in heads for part in head.modules()},
        {parameter for head in heads for parameter in head.parameters()},
        {parameter for name, parameter in model.named_parameters() if re.fullmatch(pattern, name)},
    )


def adapter_parts(model: nn.Module) -> NamedParts:
    """Low-rank adapters: what of an adapted layer is not the layer itself."""
    layers = [part for part in model.modules() if isinstance(part, LowRankLinear)]
    inside = [part for layer in layers for part in (layer.down, layer.up, layer.dropout)]
    return NamedParts({*layers, *inside}, {parameter for part in inside for parameter in part.parameters()}, set())


def _what_there_is(model: nn.Module, pattern: str) -> str:
    parts = ", ".join(sorted({".".join(name.split(".")[:2]) for name, _ in model.named_modules() if name}))
    every = [name for kind in (model.named_modules(), model.named_parameters()) for name, _ in kind if name]
    near = difflib.get_close_matches(pattern.replace("\\", ""), every, 1)
    return f", which has {parts}" + (f"; did you mean {near[0]}?" if near else ".")


def _names_of(model: nn.Module, parameters: set[nn.Parameter]) -> list[str]:
    names = [name for name, parameter in model.named_parameters() if parameter in parameters]
    return names if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]
