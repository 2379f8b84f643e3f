"""What a worker process does with a processor, for tests to start one (torch-free, as workers are)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from crossmod.contracts.processor import Processed, Processor


def process_and_look(processor: Processor, items: Sequence[Any]) -> tuple[Processed, bool]:
    """Process the items; also whether torch was imported on the way."""
    processed = processor.process(items)
    return processed, "torch" in sys.modules
