"""The `ldaps` check: the `ldap` check in TLS from the start."""

from typing import ClassVar

from feedback.checks.ldap import LdapCheck


class LdapsCheck(LdapCheck, name="ldaps"):
    """Pass when the certificate is good, and a directory in TLS accepts a bind and finds what it must.

    It is the `ldap` check in TLS from the first byte on, as port 636 has it. There, `starttls` has no place.

    Example:

        - ldaps: {port: 636, sni: ldap.example.com, user: "cn=monitor,dc=example,dc=com", password: secret,
                  base: "dc=example,dc=com"}
    """

    over_tls: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.starttls:
            raise ValueError("starttls: the connection is in TLS already")
        super().__post_init__()
