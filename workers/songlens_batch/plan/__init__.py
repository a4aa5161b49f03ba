"""Which photo belongs to which shard."""
