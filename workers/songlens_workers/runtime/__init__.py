"""What every stage shares: claiming, micro-batching, heartbeat and takeover, delivering, drain, health, metrics."""
