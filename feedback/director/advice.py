"""What an operator should know of his kernel's settings before it bites, in sentences. Pure."""

from collections.abc import Iterator

import msgspec

from feedback.director.config import DirectorConfig


class Sysctls(msgspec.Struct, frozen=True):
    """The kernel's settings that change what a removed or quiesced destination means; None where it has none.

    expire_nodest_conn: 1 ends the connections of a removed destination, 0 lets them wait in vain.
    expire_quiescent_template: 1 lets persistent clients leave a quiesced destination, 0 keeps sending them there.
    conn_reuse_mode: what becomes of a client's reused port: 0 goes on with the old destination, even a quiesced one.
    """

    expire_nodest_conn: int | None
    expire_quiescent_template: int | None
    conn_reuse_mode: int | None


def advise(config: DirectorConfig, sysctls: Sysctls) -> Iterator[str]:
    """Return what in the kernel's settings is at odds with what the configuration wants."""
    persistent = [service.name for service in config.services.values() if service.persistence_seconds]
    removing = [service.name for service in config.services.values() if service.on_failure == "remove"]
    if persistent and sysctls.expire_quiescent_template == 0:
        yield (
            f"persistent clients of {', '.join(persistent)} keep being sent to a drained or quiesced destination: "
            "set net.ipv4.vs.expire_quiescent_template=1"
        )
    if removing and sysctls.expire_nodest_conn == 0:
        yield (
            f"clients of {', '.join(removing)} with a connection to a removed destination wait until they time out: "
            "set net.ipv4.vs.expire_nodest_conn=1"
        )
    if sysctls.conn_reuse_mode == 0:
        yield (
            "a client that uses its port again is sent to its old destination, even a drained one: "
            "set net.ipv4.vs.conn_reuse_mode=1"
        )
