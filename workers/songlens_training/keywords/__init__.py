"""From lyrics to weighted keywords."""
