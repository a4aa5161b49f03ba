"""The contract that clients and workers obey: messages, keys, server-side functions and errors."""
