"""What is left when all shards have ended: manifest, summary, exports."""
