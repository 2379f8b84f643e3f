"""What a contrast asks of the other processes, and the answer when there are none."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Exchange(Protocol):
    """Keys and column statistics shared by processes that each hold some rows and the keys paired with them."""

    def gather_rows(self, own: Tensor) -> Tensor:
        """The rows of every process, in the order of the processes."""

    def own_rows(self, every: Tensor) -> Tensor:
        """The part of a gathered tensor that came from here."""

    def total(self, partial: Tensor) -> Tensor:
        """The sum over processes."""

    def largest(self, partial: Tensor) -> Tensor:
        """The maximum over processes."""

    def return_rows(self, partial: Tensor) -> Tensor:
        """The sum over processes of a gathered tensor's gradient, of which only the own part comes back."""

    def check_same(self, value: Tensor) -> None:
        """Refuse a number that differs between processes."""


class Alone:
    """One process: every answer is what was asked with."""

    def gather_rows(self, own: Tensor) -> Tensor:
        return own

    def own_rows(self, every: Tensor) -> Tensor:
        return every

    def total(self, partial: Tensor) -> Tensor:
        return partial

    def largest(self, partial: Tensor) -> Tensor:
        return partial

    def return_rows(self, partial: Tensor) -> Tensor:
        return partial

    def check_same(self, value: Tensor) -> None:
        """Nothing to differ from."""
