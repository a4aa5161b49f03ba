"""Model versions: what one is, where they lie, which one is live."""
