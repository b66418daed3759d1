"""YAML text to `Desired`: find, read, parse with positions, merge overlays, check, build. Also writes YAML."""
