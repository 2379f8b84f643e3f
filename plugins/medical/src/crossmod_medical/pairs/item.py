"""One image with one text, either of which may be missing (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

QuestionKind = Literal["", "open", "closed"]


@dataclass(frozen=True)
class ImageText:
    """An image with a question or caption.

    Args:
        image: Path of the image; None where there is none.
        text: The text; None where there is none.
        kind: Of a question: "closed" asks for one of few named answers, "open" for any; empty where unknown.
    """

    image: str | None
    text: str | None
    kind: QuestionKind = ""

    def __str__(self) -> str:
        return f"{self.image or 'no image'}: {self.text or 'no text'}"


def fault(item: Any) -> str:
    """Why an item is no pair; empty where it is one.

    >>> fault(ImageText(None, None))
    'it has neither an image nor a text'
    """
    if not isinstance(item, ImageText):
        return f"an image with a text was expected, not a {type(item).__name__}"
    if item.image is None and item.text is None:
        return "it has neither an image nor a text"
    if not isinstance(item.image, str | None) or not isinstance(item.text, str | None):
        return "the image is no path, or the text no text"
    if item.kind not in ("", "open", "closed"):
        return f"the kind of question is {item.kind!r}; it is open, closed or unknown"
    return ""
