"""Where two values differ: tensors, arrays, dataclasses and containers of them, compared to the last bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch


def difference(a: Any, b: Any, where: str = "value") -> str | None:
    """A sentence on the first difference between two values, or None; NaN equals NaN.

    >>> difference({"mean": [1.0, 2.0]}, {"mean": [1.0, 3.0]}, "spec")
    'spec.mean[1]: 2.0 and 3.0'
    """
    return next(_differences(a, b, where), None)


def _differences(a: Any, b: Any, where: str) -> Iterator[str]:
    if type(a) is not type(b):
        yield f"{where}: a {type(a).__name__} and a {type(b).__name__}"
    elif isinstance(a, torch.Tensor):
        yield from _tensors(a, b, where)
    elif isinstance(a, np.ndarray):
        yield from _arrays(a, b, where)
    elif is_dataclass(a):
        for entry in fields(a):
            yield from _differences(getattr(a, entry.name), getattr(b, entry.name), f"{where}.{entry.name}")
    elif isinstance(a, Mapping):
        if list(a) != list(b):
            yield f"{where}: keys {list(a)} and {list(b)}"
            return
        for key in a:
            yield from _differences(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, Sequence) and not isinstance(a, str | bytes):
        if len(a) != len(b):
            yield f"{where}: {len(a)} and {len(b)} entries"
            return
        for place, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from _differences(one, other, f"{where}[{place}]")
    elif "__eq__" not in _defined(a) and hasattr(a, "__dict__"):
        yield from _differences(vars(a), vars(b), where)
    elif a is not b and not bool(a == b) and not (_is_nan(a) and _is_nan(b)):
        yield f"{where}: {a!r} and {b!r}"


def _tensors(a: torch.Tensor, b: torch.Tensor, where: str) -> Iterator[str]:
    if a.device != b.device:
        yield f"{where}: on {a.device} and on {b.device}"
    else:
        yield from _arrays(a.detach().cpu().numpy(), b.detach().cpu().numpy(), where)


def _arrays(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], where: str) -> Iterator[str]:
    if a.dtype != b.dtype or a.shape != b.shape:
        yield f"{where}: {a.dtype} {list(a.shape)} and {b.dtype} {list(b.shape)}"
        return
    equal = (a == b) | ((a != a) & (b != b))  # only NaN differs from itself
    if not np.all(equal):
        place = tuple(np.argwhere(~equal)[0].tolist())
        yield f"{where}{list(place)}: {np.asarray(a[place]).item()!r} and {np.asarray(b[place]).item()!r}"


def _defined(value: Any) -> set[str]:
    """The names that a value's class and its bases define, but for `object`."""
    return {name for kind in type(value).__mro__[:-1] for name in vars(kind)}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value
