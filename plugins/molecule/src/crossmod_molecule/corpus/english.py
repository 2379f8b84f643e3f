"""Numbers and nouns in English: counts as words or digits, plurals, and the article before a noun."""

from __future__ import annotations

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

# Written with a vowel and spoken with a consonant.
_SPOKEN_CONSONANT = ("ur", "uni", "eu", "one", "use")
_SPOKEN_VOWEL = ("8", "11", "18", "N-", "H-")


def article(noun: str) -> str:
    """The indefinite article of the noun phrase.

    Example:
        >>> [article(noun) for noun in ("ester", "urea", "8-membered ring", "N-oxide", "1,2,4-triazole")]
        ['an', 'a', 'an', 'an', 'a']
    """
    spoken_vowel = noun.startswith(_SPOKEN_VOWEL) or noun[0].lower() in "aeiou"
    return "an" if spoken_vowel and not noun.startswith(_SPOKEN_CONSONANT) else "a"


def plural(noun: str) -> str:
    """The plural of the noun phrase, whose head stands before "of".

    Example:
        >>> [plural(noun) for noun in ("ester group", "equivalent of water", "diary", "box")]
        ['ester groups', 'equivalents of water', 'diaries', 'boxes']
    """
    head, found, rest = noun.partition(" of ")
    if found:
        return plural(head) + found + rest
    if noun.endswith(("s", "x", "ch")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def count(number: int, *, words: bool = True) -> str:
    """The number as a word up to twelve, or as digits.

    Example:
        >>> count(3), count(30), count(3, words=False), count(0)
        ('three', '30', '3', 'no')
    """
    return WORDS[number] if number == 0 or (words and number < len(WORDS)) else str(number)


def counted(number: int, noun: str, *, words: bool = True) -> str:
    """The noun with its number: "no ester groups", "an ester group", "one ester group", "3 ester groups".

    A single thing takes the article where numbers are written as words, and digits never stand beside digits.

    Example:
        >>> counted(1, "ester group"), counted(2, "ester", words=False), counted(2, "8-membered ring", words=False)
        ('an ester group', '2 esters', 'two 8-membered rings')
    """
    if number == 1 and words:
        return f"{article(noun)} {noun}"
    words = words or noun[0].isdigit()
    return f"{count(number, words=words)} {noun if number == 1 else plural(noun)}"


def listed(parts: list[str]) -> str:
    """The parts joined by commas and a last "and".

    Example:
        >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
        ('a', 'a and b', 'a, b and c')
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
