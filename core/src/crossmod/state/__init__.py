"""State that lives beside the losses: named, checkpointed, equal between one process and many."""
