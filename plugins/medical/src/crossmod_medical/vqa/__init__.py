"""Questions about images: corpus, answers, answering towers, and how they are scored."""
