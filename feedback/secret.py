"""A token that stays out of logs: its value shows only where somebody asks for it."""


class Secret:
    """Text that no repr, log line or traceback shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def matches(self, text: str) -> bool:
        """Return whether `text` is the secret, in a time that does not tell how much of it is right."""
        import hmac  # noqa: PLC0415 - it brings 3 MB of OpenSSL, and an agent only sends its token

        return hmac.compare_digest(self._text.encode(), text.encode("utf-8", "surrogateescape"))

    def reveal(self) -> str:
        """Return the secret itself, to be sent and nothing else."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._text)

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(…)"
