"""How fast Songlens is on this machine: `songlens bench`.

Each benchmark is one module with a function `run(effort)` that yields rows, and one line in `catalogue.py`.
"""
