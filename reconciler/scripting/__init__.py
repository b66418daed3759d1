"""The API for scripts, public as `reconciler.api.Client`: every endpoint as a method, journalled where it changes."""
