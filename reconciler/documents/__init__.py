"""
YAML text to plain dicts, lists and texts, and the line and column of any path in it.

The readers of customers files (`desired`) and of the project file (`settings`) are built on it.
It knows nothing about customers and doesn't touch the disk.
"""
