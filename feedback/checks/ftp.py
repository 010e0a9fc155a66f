"""The `ftp` check: an FTP server's greeting, its TLS, a login, and files over a data connection."""

import re
from dataclasses import field
from typing import Annotated, Literal

import msgspec

from feedback.checks.codecs import ftp_reply
from feedback.checks.credentials import Password
from feedback.checks.ftp_dialogue import Control, Received, accept
from feedback.checks.http_content import parse_digest
from feedback.checks.matching import regex
from feedback.checks.secured import TlsCheck
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.model import Endpoint, Family
from feedback.net import Net, Target
from feedback.options import Address
from feedback.secret import Secret

ANONYMOUS = ("anonymous", "ftp")
ANONYMOUS_PASSWORD = Secret("feedback@")  # an e-mail address, of which this is enough; RFC 1635

_LINE = re.compile(r"[^\0\r\n]+")


class FtpCheck(TlsCheck, name="ftp"):
    """Pass when an FTP server greets, and does what the options ask for.

    Without options it is the greeting alone. With `user` the check logs in. With `file` it fetches that file and
    compares its `size` and `digest`, with `directory` it lists that directory; both go over data connections of their
    own, and both log in as anonymous where there is no `user`. `passive` alone opens such a connection and closes it.

    The data connection goes to the address that is checked, whatever PASV announces, as careful clients do. Others
    obey PASV. A server behind masquerading must announce the service's address, unless the director has the module
    ip_vs_ftp; one that announces its own makes them fail, and no check of the server alone would see it. So
    `pasv_address` says which address PASV must announce: that of the service (`vip`), that of the server (`server`),
    or any other. Without it, an address that is neither is mentioned when the check passes; with `any` it is not.

    With `starttls`, the server must take AUTH TLS before the login, and files go through TLS, too, in the session of
    the control connection, as many servers want it. A password goes over the network as it is, unless there is TLS.

    Examples:

        - ftp: {}
        - ftp: {user: monitor, password: secret, directory: /pub, pasv_address: vip}
        - ftp: {starttls: true, sni: ftp.example.com, file: /pub/alive.txt, size: 6, expect_features: [REST STREAM]}
    """

    expect_banner: Annotated[str | None, "regular expression that must be found in the greeting"] = None
    expect_features: Annotated[
        list[str], "what FEAT must announce: keywords, with parameters or without, like REST STREAM"
    ] = field(default_factory=list)
    starttls: Annotated[bool, "go on in TLS by AUTH TLS, which the server must know"] = False
    user: Annotated[str | None, "user to log in as, by default anonymous where a login is needed"] = None
    password: Annotated[Password | None, "that user's password"] = None
    passive: Annotated[
        Literal["auto", "pasv", "epsv"] | None,
        "how to ask for a data connection: auto is pasv over IPv4, epsv over IPv6; file and directory need one anyway",
    ] = None
    pasv_address: Annotated[Literal["vip", "server", "any"] | Address | None, "which address PASV must announce"] = None
    file: Annotated[str | None, "path of a file to fetch"] = None
    size: Annotated[int | None, msgspec.Meta(ge=0), "how many bytes it must have"] = None
    digest: Annotated[str | None, "its MD5 or SHA-256, in hexadecimal digits"] = None
    directory: Annotated[str | None, "path of a directory to list"] = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=64 * 1024 * 1024), "most bytes to read of a file or a listing"] = (
        1024 * 1024
    )

    def __post_init__(self) -> None:
        lines = {"user": self.user, "file": self.file, "directory": self.directory}
        lines["password"] = None if self.password is None else self.password.reveal()
        for option, line in lines.items():
            if line is not None and not _LINE.fullmatch(line):
                raise ValueError(f"{option}: must be one line of text")
        if self.user is None and self.password is not None:
            raise ValueError("password: goes with user, and there is none")
        if self.user not in {None, *ANONYMOUS} and self.password is None:
            raise ValueError("password: is missing; only anonymous and ftp need none")
        if self.file is None and (self.size is not None or self.digest is not None):
            raise ValueError("must have file, too, where there is size or digest")
        if self.size is not None and self.size > self.limit:
            raise ValueError(f"size: must be at most the limit, which is {self.limit}")
        if self.pasv_address is not None and (self.passive == "epsv" or ":" in self.pasv_address):
            raise ValueError("pasv_address: PASV knows IPv4 alone, and EPSV announces no address")
        if not all(map(str.split, self.expect_features)):
            raise ValueError("expect_features: must be keywords, like MLST or REST STREAM")
        self._banner = None if self.expect_banner is None else regex("expect_banner", self.expect_banner)
        self._digest = None if self.digest is None else parse_digest("digest", self.digest)
        wanted = (self.file, self.directory, self.passive, self.pasv_address)
        self._wants_data = any(option is not None for option in wanted)
        self._wants_login = self._wants_data or self.user is not None
        super().__post_init__()

    def speaks_tls(self) -> bool:
        """Return whether TLS is spoken from the start or later."""
        return self.over_tls or self.starttls

    def scope(self, target: Target) -> Target:
        """Return what the results depend on: what PASV announces is compared with the vip, too."""
        scope = super().scope(target)
        return msgspec.structs.replace(scope, vip=target.vip) if self._wants_data else scope

    async def probe(self, target: Target, net: Net) -> str:
        """Go as far as the options say, and say goodbye."""
        self._refuse_impossible(target)
        async with net.connect_tcp(target) as stream:
            control = Control(net, stream, target)
            try:
                return ", ".join(filter(None, await self._go_through(control)))
            finally:
                await control.quit()

    def _refuse_impossible(self, target: Target) -> None:
        """Raise LocalFault when the options ask for what this target can't have."""
        if target.endpoint.family is Family.IPV6 and (self.passive == "pasv" or self.pasv_address is not None):
            raise LocalFault(f"PASV knows no IPv6, and {target.endpoint.address} is such an address")
        if self.pasv_address == "vip" and target.vip is None:
            raise LocalFault("pasv_address: vip says nothing where the service has no address of its own")

    async def _go_through(self, control: Control) -> list[str]:
        """Take every step, and return what is worth telling of them."""
        expires = await self.secure(control.stream, control.target) if self.over_tls else ""
        greeting = await self._greeting(control)
        if self.starttls:
            accept(await control.ask("AUTH TLS"), refusal=Reason.TLS)
            control.enter("TLS")
            expires = await self.secure(control.stream, control.target)
        login = await self._log_in(control)
        if self.expect_features:
            features = accept(await control.ask("FEAT"))
            for wanted in self.expect_features:
                ftp_reply.require_feature(features, wanted)
        data = await self._move_data(control)
        return [greeting, expires, login, control.remark, *data]

    async def _greeting(self, control: Control) -> str:
        control.enter("greeting")
        greeting = accept(await control.outcome())
        if self._banner is not None and not self._banner.search(greeting.text):
            raise CheckFailed(Reason.CONTENT, f"{greeting}, must match {self._banner.pattern}")
        return greeting.headline

    async def _log_in(self, control: Control) -> str:
        if not self._wants_login:
            return ""
        user, password = self.user or ANONYMOUS[0], self.password or ANONYMOUS_PASSWORD
        reply = await control.ask(f"USER {user}")
        if reply.code == ftp_reply.NEED_PASSWORD:
            reply = await control.ask(f"PASS {password.reveal()}", stage="PASS")
        accept(reply, refusal=Reason.AUTH)
        return f"logged in as {user}"

    async def _move_data(self, control: Control) -> list[str]:
        """Have everything sent that is asked for, and return what came of it."""
        if not self._wants_data:
            return []
        if self.speaks_tls():
            accept(await control.ask("PBSZ 0"), refusal=Reason.TLS)
            accept(await control.ask("PROT P"), refusal=Reason.TLS)
        if self.file is None and self.directory is None:
            async with control.net.connect_tcp(await self._data_endpoint(control)):
                return ["data connection opened"]
        words = []
        if self.file is not None:
            accept(await control.ask("TYPE I"))
            algorithm = self._digest.algorithm if self._digest else ""
            file = await self._receive(control, f"RETR {self.file}", algorithm)
            self._compare_file(file)
            words.append(f"{self.file} has {_count(file.size, 'byte')}")
        if self.directory is not None:
            accept(await control.ask(f"CWD {self.directory}"))
            listing = await self._receive(control, "LIST")
            words.append(f"the listing of {self.directory} has {_count(listing.lines, 'line')}")
        return words

    async def _receive(self, control: Control, command: str, algorithm: str = "") -> Received:
        """Have the server send something over a data connection, to its end."""
        received = Received(self.limit, algorithm)
        async with control.net.connect_tcp(await self._data_endpoint(control)) as data:
            accept(await control.begin(command), ftp_reply.PRELIMINARY)
            if self.speaks_tls():
                control.at(f"{command}, TLS")
                await self.secure(data, control.target, resume=control.stream)
            control.at(f"{command}, data")
            await received.read(data)
        control.enter(f"{command}, end of data")
        accept(await control.outcome())
        control.at(command)
        return received

    async def _data_endpoint(self, control: Control) -> Endpoint:
        """Return where the server waits for a data connection: on the address that is checked, whatever it says."""
        here = control.target.endpoint
        if here.family is Family.IPV6 or self.passive == "epsv":
            port = ftp_reply.read_extended_passive(accept(await control.ask("EPSV")))
        else:
            announced = ftp_reply.read_passive(accept(await control.ask("PASV")))
            control.remark = self._compared_address(announced.address, control.target)
            port = announced.port
        control.at("data connection")
        return Endpoint(here.address, port)

    def _compared_address(self, announced: str, target: Target) -> str:
        """Return what clients may stumble over, "" for nothing. Raises CheckFailed when it is not what it must be."""
        vip = target.vip.address if target.vip else None
        known = {"server": target.endpoint.address, "vip": vip}
        if self.pasv_address is None and announced not in known.values():
            return f"PASV announces {announced}, {'neither this address nor the VIP' if vip else 'not this address'}"
        if self.pasv_address in {None, "any"}:
            return ""
        wanted = known.get(self.pasv_address, self.pasv_address)
        if announced != wanted:
            raise CheckFailed(Reason.CONTENT, f"announces {announced}, must announce {wanted}")
        return ""

    def _compare_file(self, file: Received) -> None:
        """Raise CheckFailed when the file is another than it should be."""
        if self.size is not None and file.size != self.size:
            raise CheckFailed(Reason.CONTENT, f"{_count(file.size, 'byte')}, must be {self.size}")
        if self._digest is not None and file.digits() != self._digest.digits:
            algorithm, digits = self._digest.algorithm, self._digest.digits
            raise CheckFailed(Reason.CONTENT, f"the {algorithm} is {file.digits()}, must be {digits}")


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
