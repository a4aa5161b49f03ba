"""What RQ runs: one job plans, one job scores each shard, one job writes the manifest when all of them have ended."""
