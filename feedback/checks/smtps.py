"""The `smtps` check: the `smtp` check in TLS from the start."""

from typing import ClassVar

from feedback.checks.smtp import SmtpCheck


class SmtpsCheck(SmtpCheck, name="smtps"):
    """Pass when the certificate is good, and a mail server in TLS greets and takes every step that is asked of it.

    It is the `smtp` check in TLS from the first byte on, as port 465 has it (RFC 8314). There, `starttls` has no place.

    Example:

        - smtps: {port: 465, sni: mail.example.com, expect_capabilities: [AUTH PLAIN]}
    """

    over_tls: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.starttls:
            raise ValueError("starttls: the connection is in TLS already")
        super().__post_init__()
