"""The painted scenes, one function each: it takes an empty canvas and leaves a finished picture."""
