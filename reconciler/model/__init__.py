"""The nouns: values, and no I/O. `core` is read first; every other module here is made of it."""
