"""From a recipe to a trained model: preparing the corpus, ordering batches, stepping, checkpointing."""
