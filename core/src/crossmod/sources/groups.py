"""Rows that describe the same thing, found by what they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def groups_of(subjects: Sequence[str], texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Numbers by first appearance: rows of one subject share one, and so do rows of one text (not the empty).

    >>> groups_of(["C", "C", "O", "N"], ["gas", "fuel", "fuel", ""]).tolist()
    [0, 0, 0, 1]
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for subject, text in zip(subjects, texts, strict=True):
        own = root(("subject", subject))
        if text:
            parent[root(("text", text))] = own
    numbers: dict[tuple[str, str], int] = {}
    return np.array([numbers.setdefault(root(("subject", subject)), len(numbers)) for subject in subjects], np.int64)
