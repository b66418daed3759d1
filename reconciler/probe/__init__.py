"""A probe: creates, tries and archives one marked customer, to find out what the API's documentation leaves open."""
