"""The `nfs` check: an NFS server, what it needs besides itself, and an export."""

import struct
from dataclasses import field
from typing import Annotated, Literal

import msgspec

from feedback.checks import rpc_client
from feedback.checks.check import Check
from feedback.checks.codecs import mount3, nfs3, nfs4, nfs_status, rpc_message, rpcbind, xdr
from feedback.checks.codecs.nfs3 import Space
from feedback.checks.codecs.nfs4 import Operation, Results
from feedback.checks.codecs.rpc_message import Procedure
from feedback.checks.codecs.rpc_program import parse_program
from feedback.checks.codecs.rpcbind import Registration, Transport
from feedback.checks.rpc_client import Client
from feedback.errors import CheckFailed, Reason
from feedback.model import Endpoint
from feedback.net import Net, Target
from feedback.options import Port, Ratio


class NfsCheck(Check, name="nfs"):
    """Pass when an NFS server answers, and an export on it, if one is given.

    The server is asked by RPC, without a mount: an export that hangs makes the check time out, and nothing on the
    director wait.

    Version 4 is asked for the procedure NULL and for the file handle of the server's root; of an export, whose path is
    the one that clients of version 4 mount, for the file handle and the space of its root. That is minor version 0, or
    minor version 1 in a session of its own, where the server does not have 0.

    Version 3 is asked for the procedure NULL; an export is mounted (MNT), its root asked for its attributes (GETATTR)
    and space (FSSTAT), and unmounted (UMNT). mountd is found through rpcbind at port 111, unless its port is given.

    Exports are asked for as `uid` and `gid`, and from a port below 1024: many servers refuse others, Linux unless the
    export is `insecure`. Such a port takes CAP_NET_BIND_SERVICE; where that is lacking, the outcome is UNKNOWN. An
    export that takes nothing but Kerberos can't be checked.

    Examples:

        - nfs: {export: /srv/home, min_free: 0.05}
        - nfs: {version: 3, export: /srv/home, require: [nlockmgr, status]}
        - nfs: {version: 3, transport: udp}
    """

    version: Annotated[Literal[3, 4], "version of NFS"] = 4
    transport: Annotated[Transport, "transport to ask on; version 4 has TCP alone"] = "tcp"
    export: Annotated[str | None, "path of an export that must answer"] = None
    min_free: Annotated[Ratio | None, "least share of the export's space that must be available"] = None
    mount_port: Annotated[Port | None, "mountd's port, by default the one that rpcbind names"] = None
    require: Annotated[
        list[Literal["mountd", "nlockmgr", "status"]], "further programs that must answer, found through rpcbind"
    ] = field(default_factory=list)
    uid: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF), "user to ask as"] = 0
    gid: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF), "group to ask as"] = 0
    privileged_port: Annotated[bool | None, "ask from a port below 1024, by default if there is an export"] = None

    def __post_init__(self) -> None:
        if self.version == 4 and self.transport == "udp":
            raise ValueError("transport: NFS version 4 has no udp")
        if self.export is None and self.min_free is not None:
            raise ValueError("min_free: goes with export, and there is none")
        if self.mount_port is not None and (self.version == 4 or self.export is None):
            raise ValueError("mount_port: goes with an export of version 3")
        self._export = self.export or ""
        self._path = None if self.export is None else _components(self.export)
        self._privileged_port = self.export is not None if self.privileged_port is None else self.privileged_port
        self._credential = rpc_message.auth_sys(self.uid, self.gid)

    async def probe(self, target: Target, net: Net) -> str:
        """Ask the server, then what it needs besides, then for files."""
        address = target.endpoint.address
        async with self._client(net, target.endpoint, "nfs") as nfs:
            await nfs.call(rpc_message.null(nfs3.PROGRAM, self.version))
            others, mount_port = await self._find_others(net, address)
            for registration in others:
                await rpc_client.ask(net, address, registration)
            try:
                if self.version == 4:
                    return await self._ask_4(net, nfs)
                return await self._ask_3(net, nfs, Endpoint(address, mount_port)) if mount_port else "NFS 3"
            except CheckFailed as error:
                raise self._explained(error) from None

    def _client(self, net: Net, endpoint: Endpoint, name: str) -> Client:
        return Client(net, endpoint, name, self.transport, privileged_port=self._privileged_port)

    def _explained(self, error: CheckFailed) -> CheckFailed:
        """Return an error with what it may come of."""
        if error.reason is Reason.AUTH and not self._privileged_port:
            return CheckFailed(error.reason, f"{error.detail}; it may want a port below 1024 (privileged_port)")
        return error

    async def _find_others(self, net: Net, address: str) -> tuple[list[Registration], int]:
        """Return the further programs, and mountd's port, 0 where it is not needed."""
        mount_port = self.mount_port or 0
        wants_mountd = self.version == 3 and self.export is not None and not mount_port
        if not (self.require or wants_mountd):
            return [], mount_port
        listed = await rpc_client.listing(net, Endpoint(address, rpcbind.PORT), self.transport)
        others = [registration for name in self.require for registration in listed.of(parse_program(name))]
        return others, listed.of(_MOUNTD)[0].port if wants_mountd else mount_port

    async def _ask_3(self, net: Net, nfs: Client, mountd_at: Endpoint) -> str:
        """Mount the export, look at its root, and unmount it: in any case, also when the deadline comes."""
        path = mount3.path(self._export)
        async with self._client(net, mountd_at, "mountd") as mountd:
            try:
                handle = nfs3.handle(mount3.read_mnt(await self._call(mountd, mount3.MNT, path)))
                nfs3.read_getattr(await self._call(nfs, nfs3.GETATTR, handle))
                words = self._compared(nfs3.read_fsstat(await self._call(nfs, nfs3.FSSTAT, handle)))
            except BaseException:
                await mountd.tell(mount3.UMNT, path, self._credential)
                raise
            await self._call(mountd, mount3.UMNT, path)
        return f"NFS 3, {words}"

    async def _ask_4(self, net: Net, nfs: Client) -> str:
        """Fetch the file handle of the server's root, or of the export's."""
        operations = nfs4.to_root(self._path)
        minor_version, results = 0, await self._compound(nfs, 0, *operations)
        if results.status == nfs_status.MINOR_VERS_MISMATCH:
            minor_version, results = 1, await self._compound_in_session(net, nfs, operations)
        space = nfs4.read_root(results, operations)
        return f"NFS 4.{minor_version}" if self.export is None else f"NFS 4.{minor_version}, {self._compared(space)}"

    async def _compound_in_session(self, net: Net, nfs: Client, operations: tuple[Operation, ...]) -> Results:
        """Do a compound in a session, and let the server forget us before it is known what came of it."""
        now = net.now()  # whoever has the same owner takes a session away from the other
        introduction = nfs4.exchange_id(struct.pack(">d", now), f"feedback {now!r}")
        client = nfs4.read_exchange_id((await self._compound(nfs, 1, introduction)).take(introduction))
        creation = nfs4.create_session(client)
        session = nfs4.read_create_session((await self._compound(nfs, 1, creation)).take(creation), client)
        sequence = nfs4.sequence(session)
        results = await self._compound(nfs, 1, sequence, *operations)
        await self._compound(nfs, 1, nfs4.destroy_session(session))
        await self._compound(nfs, 1, nfs4.destroy_client(session))
        nfs4.read_sequence(results.take(sequence))
        return results

    async def _compound(self, nfs: Client, minor_version: int, *operations: Operation) -> Results:
        return Results(await self._call(nfs, nfs4.COMPOUND, nfs4.compound(operations, minor_version)))

    async def _call(self, client: Client, procedure: Procedure, arguments: bytes) -> xdr.Reader:
        return await client.call(procedure, arguments, self._credential, self._export)

    def _compared(self, space: Space | None) -> str:
        """Return how much of the export's space is available, in words. Raises CheckFailed when it is too little."""
        ratio = None if space is None else space.available_ratio
        if self.min_free is None:
            return f"{self._export} {'answers' if ratio is None else f'has {ratio:.0%} free'}"
        if ratio is None:
            raise CheckFailed(Reason.CONTENT, "the server does not say how much space the export has")
        if ratio < self.min_free:
            raise CheckFailed(Reason.CONTENT, f"{ratio:.1%} free, must be {self.min_free:.1%} at least")
        return f"{self._export} has {ratio:.0%} free"


_MOUNTD = parse_program("mountd/3")


def _components(export: str) -> tuple[str, ...]:
    """Return the names on the way to an export. Raises ValueError for what a server could understand otherwise."""
    names = tuple(name for name in export.split("/") if name)
    if not export.startswith("/") or {".", ".."} & set(names):
        raise ValueError('export: must be a path from the root, like /srv/home, without "." and ".."')
    if len(export.encode()) > mount3.PATH_LIMIT_BYTES:
        raise ValueError(f"export: must have at most {mount3.PATH_LIMIT_BYTES} bytes")
    return names
