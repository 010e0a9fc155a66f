"""Where a test's own servers may listen."""

from random import randrange


def own_address() -> str:
    """Return an address of loopback that nobody else has: each of its ports is free, and stays so until it is used."""
    return f"127.{randrange(1, 255)}.{randrange(256)}.{randrange(1, 255)}"
