"""The one exception of every reader: a file that cannot be used, and why, without anything of the patient."""

from __future__ import annotations


class UnusableScan(ValueError):  # noqa: N818 - it names the scan, which is to be set aside
    """A file or folder that holds no usable scan; the message is the reason that the rejects file gives.

    Readers write the message themselves and never pass on that of a library, which may quote a header.
    """
