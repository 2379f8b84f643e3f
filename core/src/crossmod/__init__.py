"""Train, evaluate and export domain-specific cross-modal foundation models."""
