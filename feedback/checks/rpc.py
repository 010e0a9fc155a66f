"""The `rpc` check: rpcbind, and the programs that it knows."""

from dataclasses import field
from typing import Annotated, Literal

from feedback.checks import rpc_client
from feedback.checks.check import Check
from feedback.checks.codecs.rpc_program import parse_program
from feedback.checks.codecs.rpcbind import PORT, Transport
from feedback.errors import CheckFailed, Reason
from feedback.net import Net, Target
from feedback.options import Port


class RpcCheck(Check, name="rpc"):
    """Pass when rpcbind lists the wanted ONC RPC programs, and each of them answers.

    rpcbind is asked at port 111, whatever the destination's own port. Each program is asked at the port that rpcbind
    names, by its procedure NULL, which does nothing: in each version and on each transport that is listed, unless one
    is given. A program that is wanted and not listed fails. With neither `programs` nor `all`, it is enough that
    rpcbind lists anything.

    Programs have the names of /etc/rpc: nfs, mountd, nlockmgr, status, nfs_acl, rquotad, rstatd, ypserv, and more. Any
    other has its number.

    rpcbind is asked in version 4, then 3, then 2, the old port mapper, which knows nothing of IPv6.

    Example:

        - rpc: {programs: [mountd, nfs/3, status, 100227]}
    """

    port: Annotated[Port | None, "rpcbind's port"] = PORT
    programs: Annotated[list[int | str], "programs that must answer: mountd, 100005, nfs/3 for version 3 alone"] = (
        field(default_factory=list)
    )
    all: Annotated[bool, "every program that rpcbind lists must answer"] = False
    transport: Annotated[
        Transport | None, "transport to ask on, by default TCP for rpcbind, all listed ones for programs"
    ] = None
    rpcbind: Annotated[Literal[2, 3, 4], "version of rpcbind to begin with"] = 4

    def __post_init__(self) -> None:
        if self.programs and self.all:
            raise ValueError("must have at most one of programs and all")
        try:
            self._programs = [parse_program(text) for text in self.programs]
        except ValueError as error:
            raise ValueError(f"programs: {error}") from None

    async def probe(self, target: Target, net: Net) -> str:
        """Ask rpcbind, and then one program after the other."""
        listed = await rpc_client.listing(net, target.endpoint, self.transport, self.rpcbind)
        if not listed.registrations:
            raise CheckFailed(Reason.CONTENT, f"nothing is registered on {' or '.join(listed.netids)}")
        wanted = listed.registrations if self.all else [one for program in self._programs for one in listed.of(program)]
        for registration in wanted:
            await rpc_client.ask(net, target.endpoint.address, registration)
        if not wanted:
            return f"rpcbind lists {listed}"
        return f"{len(wanted)} answered: {', '.join(map(str, wanted))}"
