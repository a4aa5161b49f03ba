"""Features of a catalogue computed by many machines: planned in shards, by jobs, through the vision workers."""
