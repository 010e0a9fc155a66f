"""The `lmtp` check: the `smtp` check for a server that delivers mail locally."""

from typing import ClassVar

from feedback.checks.smtp import SmtpCheck


class LmtpCheck(SmtpCheck, name="lmtp"):
    """Pass when an LMTP server greets, answers LHLO, and takes every further step that the options ask for.

    LMTP (RFC 2033) is SMTP with another first word, and so is the check. A server answers for each recipient whether
    it has a mailbox here, so `rcpt_to` says whether its user database works, too. No mail is sent.

    Example:

        - lmtp: {port: 24, rcpt_to: [postmaster@example.com]}
    """

    hellos: ClassVar[tuple[str, ...]] = ("LHLO",)
