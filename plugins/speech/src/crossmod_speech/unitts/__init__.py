"""UniTTS: one causal language model over texts and codes of speech."""
