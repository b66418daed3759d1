"""The API on this machine, with its open questions as switches. Written from its documentation, not from our client."""
