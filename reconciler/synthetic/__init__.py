"""People who do not exist: customers from a seed number, and real ones with all that is theirs replaced."""
