"""A probe: one marked customer made, tried and archived, to find out what the API's documentation leaves open."""
