"""The API on this machine, its open questions as switches. Written from its documentation, not from our client."""
