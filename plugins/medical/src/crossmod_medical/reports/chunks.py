"""Long reports as several texts that end where sentences end, so that no tower cuts what it cannot take."""

from __future__ import annotations

from crossmod_medical.reports.sentences import split_sentences


def chunk_report(text: str, longest_words: int) -> list[str]:
    """The text in parts of at most so many words; 0 leaves it whole.

    Sentences stay whole where they fit; a longer one is parted between words. Every word is in exactly one part.

    Raises:
        ValueError: The length is negative.

    >>> chunk_report("One two three. Four five. Six.", 4)
    ['One two three.', 'Four five. Six.']
    """
    if longest_words < 0:
        raise ValueError(f"longest_words is {longest_words}; give a number of words, or 0 for no limit.")
    if not longest_words or len(text.split()) <= longest_words:
        return [text] if text.strip() else []
    parts: list[list[str]] = [[]]
    for sentence in split_sentences(text):
        words = sentence.split()
        if parts[-1] and len(parts[-1]) + len(words) > longest_words:
            parts.append([])
        while len(words) > longest_words:
            parts[-1] += words[:longest_words]
            words = words[longest_words:]
            parts.append([])
        parts[-1] += words
    return [" ".join(part) for part in parts if part]
