"""The one exception of every reader: a recording that cannot be used, and why."""

from __future__ import annotations


class UnusableSpeech(ValueError):  # noqa: N818 - it names the recording, which is to be set aside
    """A recording that holds no usable speech; the message is the reason that the rejects file gives."""
