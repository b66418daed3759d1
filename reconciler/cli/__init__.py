"""The command line: one file per command, with options, consent and exit code. Only this package uses click."""
