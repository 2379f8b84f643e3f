"""Scoring trained models: retrieval, zero-shot, probes, and the vectors themselves."""
