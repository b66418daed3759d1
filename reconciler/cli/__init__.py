"""The command line: one file a command; options, consent, exit code. The only folder that knows click."""
