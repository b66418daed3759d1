"""The commands as click has them: names, arguments, options, help. Every `--help` imports all of them."""
