"""Objectives of this domain's own: what volumes teach without a report, and words with places of a volume."""
