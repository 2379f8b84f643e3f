"""Recordings as they lie on disk, to mono samples at one rate."""
