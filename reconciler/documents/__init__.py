"""
YAML text to plain dicts, lists and texts, and the line and column of any path in it.

Two readers of YAML stand on this room: the customers files (`desired`) and the project file (`settings`).
It knows no word about customers, and touches no disk.
"""
