"""What a run works with: the project file, options and environment variables, read once into frozen values."""

from __future__ import annotations

from reconciler.settings.environment import Access, Credentials, Environment, Options, Policy, Secret, Server
from reconciler.settings.read import Settings, read_settings

__all__ = [
    "Access",
    "Credentials",
    "Environment",
    "Options",
    "Policy",
    "Secret",
    "Server",
    "Settings",
    "read_settings",
]
