"""The `ftps` check: the `ftp` check in TLS from the start."""

from typing import ClassVar

from feedback.checks.ftp import FtpCheck


class FtpsCheck(FtpCheck, name="ftps"):
    """Pass when the certificate is good, and an FTP server in TLS greets and does what the options ask for.

    It is the `ftp` check in TLS from the first byte on, as port 990 has it. There, `starttls` has no place: that is for
    servers that begin in clear, as most do, and the `ftp` check speaks with them.

    Example:

        - ftps: {port: 990, sni: ftp.example.com, user: monitor, password: secret, directory: /}
    """

    over_tls: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.starttls:
            raise ValueError("starttls: the connection is in TLS already")
        super().__post_init__()
