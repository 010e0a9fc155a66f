"""Every error that feedback raises on purpose, each with one meaning.

Each message is readable alone: it names the thing, the value, and what would be right. The command line
prints it as one sentence; no traceback reaches a user for something the user did.
"""

from enum import StrEnum


class FeedbackError(Exception):
    """Base of every error that is meant for a person to read."""


class ConfigError(FeedbackError):
    """A configuration is wrong. `problems` holds one line per mistake, each with file, line and path."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class WireError(FeedbackError):
    """Bytes from the network are not what the protocol allows."""


class TableError(FeedbackError):
    """The kernel (or the memory table) refused an operation, or can't be reached at all."""


class EnrolmentError(FeedbackError):
    """A certificate can't be had: the authority, the token or the request is not what it must be."""


class PluginError(FeedbackError):
    """A plugin is unknown, defined twice, or can't be imported."""


class Reason(StrEnum):
    """Why a check did not pass: the closed list that code, API, metrics and docs share."""

    REFUSED = "refused"  # nobody listens on the port
    TIMEOUT = "timeout"  # the deadline passed
    RESET = "reset"  # the peer cut the connection with RST
    CLOSED = "closed"  # the peer closed the connection before the dialogue was over
    UNREACHABLE = "unreachable"  # the network or the host can't be reached
    TLS = "tls"  # handshake or certificate
    DNS = "dns"  # a name can't be resolved, or a DNS answer is wrong
    PROTOCOL = "protocol"  # the answer breaks the protocol's rules
    AUTH = "auth"  # a login was refused
    STATUS = "status"  # a well-formed answer with the wrong status
    CONTENT = "content"  # a well-formed answer with the wrong content
    LIMIT = "limit"  # the answer is larger than the check reads
    EXIT = "exit"  # a program ended with a status that says failure
    DEPENDENCY = "dependency"  # what the service depends on does not work
    LOCAL = "local"  # a fault of the director itself: no file descriptor, no route, no permission
    BUG = "bug"  # the check raised what it should not


class CheckFailed(FeedbackError):  # noqa: N818 - the contract's name; it is an outcome before it is an error
    """The service did not pass the check.

    `reason` is one of `Reason` (a plain string of the same value will do), `detail` one line for a person.
    """

    def __init__(self, reason: Reason | str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = Reason(reason)
        self.detail = detail


class LocalFault(FeedbackError):  # noqa: N818 - a fault of this host, not of the service
    """The check could not be made, through no fault of the service: its outcome is UNKNOWN."""
