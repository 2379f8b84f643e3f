"""Fixed-length vectors as a modality: sensor readings, descriptors, embeddings of another model."""
