"""A backward pass that refuses to be differentiated itself.

torch's own `once_differentiable` raises only where the arriving gradient has a graph. Asked for `create_graph=True`
with a plain scalar loss it returns gradients that are constants, and a penalty on them would silently do nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def first_order(backward: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Run a backward pass without a graph, and refuse `create_graph=True`.

    Raises:
        NotImplementedError: naming the dense references, which are differentiable twice.
    """

    @functools.wraps(backward)
    def checked(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        if torch.is_grad_enabled():
            raise NotImplementedError(
                "the tiled losses have no double backward, but create_graph=True asked for one: use the dense "
                "..._reference function of the same name"
            )
        return backward(*arguments, **named)

    return checked
