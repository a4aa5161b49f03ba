"""Model versions: built, extended, published."""
