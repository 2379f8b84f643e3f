"""Curves, retrieval sheets and a static HTML page for one training run."""
