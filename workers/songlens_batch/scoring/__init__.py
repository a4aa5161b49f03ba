"""One shard: photos out of the source, through the bulk lane, into rows."""
