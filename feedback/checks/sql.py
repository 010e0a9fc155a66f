"""What the checks of databases share that speak SQL: the options of a login and a query, and what a query must give."""

from typing import Annotated

from feedback.checks.credentials import Password
from feedback.checks.matching import regex
from feedback.checks.secured import TlsCheck
from feedback.errors import CheckFailed, Reason

NOBODY = "feedback"
"""Who asks to be let in where the options name no user: an account that no server should have."""

ANSWER_LIMIT_BYTES = 256 * 1024
"""How much a server may say to one question."""

SHOWN_LENGTH = 60

Row = tuple[str | None, ...]
"""A row as text; None stands for NULL."""


class SqlCheck(TlsCheck):
    """Base of the checks of databases."""

    tls: Annotated[bool, "speak TLS, which the server must offer"] = False
    user: Annotated[str | None, "user to log in as"] = None
    password: Annotated[Password | None, "that user's password"] = None
    database: Annotated[str | None, "database to log in to"] = None
    query: Annotated[str | None, "statement to run, which must give a row"] = None
    expect: Annotated[str | None, "what the first value of the first row must be"] = None
    expect_regex: Annotated[str | None, "regular expression that must be found in that value"] = None

    def __post_init__(self) -> None:
        for option in ("password", "database", "query"):
            self._must_go_with("user", option)
        for option in ("expect", "expect_regex"):
            self._must_go_with("query", option)
        for option in ("user", "database", "query"):
            value = getattr(self, option)
            if value is not None and (not value or "\0" in value):
                raise ValueError(f"{option}: must be text without NUL, and not empty")
        self._pattern = None if self.expect_regex is None else regex("expect_regex", self.expect_regex)
        super().__post_init__()

    def _must_go_with(self, needed: str, option: str) -> None:
        if getattr(self, option) is not None and getattr(self, needed) is None:
            raise ValueError(f"{option}: goes with {needed}, and there is none")

    def speaks_tls(self) -> bool:
        """Return whether TLS is asked for."""
        return self.tls

    def judge(self, rows: list[Row]) -> str:
        """Return what a query gave, in words. Raises CheckFailed when that is not what is expected."""
        if not rows:
            raise CheckFailed(Reason.CONTENT, "no row, must be one at least")
        value = next(iter(rows[0]), None)
        if self.expect is not None and value != self.expect:
            raise CheckFailed(Reason.CONTENT, f"{_shown(value)}, must be {_shown(self.expect)}")
        if self._pattern is not None and not (value is not None and self._pattern.search(value)):
            raise CheckFailed(Reason.CONTENT, f"{_shown(value)}, must match {self._pattern.pattern}")
        return f"query: {_shown(value)}"


def _shown(value: str | None) -> str:
    """Return a value in words, cut where it is long."""
    if value is None:
        return "NULL"
    return f'"{value}"' if len(value) <= SHOWN_LENGTH else f'"{value[:SHOWN_LENGTH]}…"'
