"""Batch scoring of large image sets: source -> plan -> shards through the bulk lane -> Parquet, by RQ jobs."""
