"""How far batches are, as Redis remembers it. The folders know it without Redis."""
