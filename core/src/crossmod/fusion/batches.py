"""Inputs of one call describe the same samples; a batch of one is never spread over the others in silence."""

from __future__ import annotations

from torch import Tensor


def require_one_batch(**given: Tensor | None) -> None:
    """Refuse inputs of different numbers of samples.

    Raises:
        ValueError: The numbers differ.
    """
    rows = {name: held.shape[0] for name, held in given.items() if held is not None}
    if len(set(rows.values())) > 1:
        found = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise ValueError(
            f"inputs of one call differ in their number of samples ({found}); give one row of each a sample."
        )
