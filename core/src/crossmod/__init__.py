"""Train, evaluate and export domain-specific cross-modal foundation models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossmod.model import CrossModal

__version__ = "0.1.0"


def load(path: str | Path) -> CrossModal:
    """Load a trained model from a run folder or a model folder, ready to embed.

    Args:
        path: `runs/x` or `runs/x/model`.

    Returns:
        The model in evaluation mode; `load(path).towers.text` is a plain `torch.nn.Module`.

    Raises:
        UserError: The folder holds no model, its domain is not installed, or its weights do not fit its spec.
    """
    from crossmod.runs.model_folder import load_model

    return load_model(Path(path))
