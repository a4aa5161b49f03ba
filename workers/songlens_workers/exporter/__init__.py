"""What Prometheus sees of the queue itself, by a process of its own: it is there when no worker is."""
