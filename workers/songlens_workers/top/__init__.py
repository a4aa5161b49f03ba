"""`songlens top`: the system at a glance, on a terminal."""
