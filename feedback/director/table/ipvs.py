"""The kernel's IPVS messages: operations to requests, answers to our own values. Pure; linux/ip_vs.h says how.

Whatever the bytes, decoding gives a value or raises TableError. Attributes that are not known here are ignored, and
what the kernel adds by itself is left out, so that what one has written reads back equal.
"""

import functools
import ipaddress
import struct

from feedback.director.plan import (
    AddDestination,
    AddService,
    DeleteService,
    Operation,
    SetDestination,
    SetService,
)
from feedback.director.table.netlink import NLM_F_DUMP, Reader, message, nest, pack
from feedback.errors import TableError
from feedback.model import (
    Counters,
    Destination,
    DestinationKey,
    Endpoint,
    Family,
    Forwarding,
    ServiceKey,
    Transport,
    VirtualService,
)

FAMILY_NAME = "IPVS"

NEW_SERVICE, SET_SERVICE, DELETE_SERVICE, GET_SERVICE = range(1, 5)  # IPVS_CMD_…
NEW_DESTINATION, SET_DESTINATION, DELETE_DESTINATION, GET_DESTINATION = range(5, 9)

SERVICE, DESTINATION = 1, 2  # IPVS_CMD_ATTR_…

SERVICE_FAMILY = 1  # IPVS_SVC_ATTR_…
SERVICE_PROTOCOL = 2
SERVICE_ADDRESS = 3
SERVICE_PORT = 4
SERVICE_FWMARK = 5
SERVICE_SCHEDULER = 6
SERVICE_FLAGS = 7
SERVICE_TIMEOUT = 8
SERVICE_NETMASK = 9

ADDRESS = 1  # IPVS_DEST_ATTR_…
PORT = 2
METHOD = 3
WEIGHT = 4
UPPER_THRESHOLD = 5
LOWER_THRESHOLD = 6
ACTIVE_CONNECTIONS = 7
INACTIVE_CONNECTIONS = 8
PERSISTENT_CONNECTIONS = 9
ADDRESS_FAMILY = 11
STATISTICS = 12
TOTAL_CONNECTIONS = 1  # IPVS_STATS_ATTR_CONNS

PERSISTENT, ONE_PACKET = 0x1, 0x4
"""The service flags that are ours, the second only where it is wanted. Others are left as they are; the kernel adds
some of its own, like "hashed"."""

FAMILIES = {Family.IPV4: 2, Family.IPV6: 10}
FULL_PREFIXES = {Family.IPV4: 32, Family.IPV6: 128}
PROTOCOLS = {str(Transport.TCP): 6, str(Transport.UDP): 17, str(Transport.SCTP): 132}
METHODS = {Forwarding.MASQUERADE: 0, Forwarding.TUNNEL: 2, Forwarding.DIRECT: 3}
FAMILY_OF = {code: family for family, code in FAMILIES.items()}
PROTOCOL_OF = {code: protocol for protocol, code in PROTOCOLS.items()}
FORWARDING_OF = {code: forwarding for forwarding, code in METHODS.items()}

U16 = struct.Struct("=H")
U32 = struct.Struct("=I")
PORT_NUMBER = struct.Struct("!H")
FLAGS = struct.Struct("=II")  # the flags, and a mask of those that count
SETTINGS = struct.Struct("=" + "HHI" * 4)  # four attributes of a number each: a thousand weights may change at once

SERVICES = Reader(
    {
        (SERVICE, SERVICE_FAMILY): "H",
        (SERVICE, SERVICE_PROTOCOL): "H",
        (SERVICE, SERVICE_ADDRESS): "16s",
        (SERVICE, SERVICE_PORT): "2s",
        (SERVICE, SERVICE_FWMARK): "I",
        (SERVICE, SERVICE_SCHEDULER): "s",
        (SERVICE, SERVICE_FLAGS): "I4x",  # the mask that follows says nothing in an answer
        (SERVICE, SERVICE_TIMEOUT): "I",
        (SERVICE, SERVICE_NETMASK): "I",
    },
    optional={(SERVICE, kind) for kind in (SERVICE_PROTOCOL, SERVICE_ADDRESS, SERVICE_PORT, SERVICE_FWMARK)},
)
DESTINATIONS = Reader(
    {
        (DESTINATION, ADDRESS): "16s",
        (DESTINATION, PORT): "2s",
        (DESTINATION, METHOD): "I",
        (DESTINATION, WEIGHT): "I",
        (DESTINATION, UPPER_THRESHOLD): "I",
        (DESTINATION, LOWER_THRESHOLD): "I",
        (DESTINATION, ACTIVE_CONNECTIONS): "I",
        (DESTINATION, INACTIVE_CONNECTIONS): "I",
        (DESTINATION, PERSISTENT_CONNECTIONS): "I",
        (DESTINATION, ADDRESS_FAMILY): "H",
        (DESTINATION, STATISTICS, TOTAL_CONNECTIONS): "Q",
    },
    optional={(DESTINATION, ADDRESS_FAMILY), (DESTINATION, STATISTICS, TOTAL_CONNECTIONS)},
)


def services_request(family_id: int, sequence: int) -> bytes:
    """Return the request for all services."""
    return message(family_id, NLM_F_DUMP, sequence, GET_SERVICE)


def destinations_request(family_id: int, sequence: int, service: ServiceKey) -> bytes:
    """Return the request for one service's destinations."""
    return message(family_id, NLM_F_DUMP, sequence, GET_DESTINATION, _service_named(service))


def operation_request(family_id: int, sequence: int, operation: Operation) -> bytes:
    """Return the request that does an operation. Raises OverflowError for a number no kernel could take."""
    try:
        command, content = _command(operation)
    except struct.error:
        raise OverflowError(f"a number in {operation} is out of range") from None
    return message(family_id, 0, sequence, command, content)


def _command(operation: Operation) -> tuple[int, bytes]:
    match operation:
        case AddService(service):
            return NEW_SERVICE, _service(service)
        case SetService(service):
            return SET_SERVICE, _service(service)
        case DeleteService(key):
            return DELETE_SERVICE, _service_named(key)
        case AddDestination(key, destination):
            return NEW_DESTINATION, _service_named(key) + _destination(destination)
        case SetDestination(key, destination):
            return SET_DESTINATION, _service_named(key) + _destination(destination)
        case _:
            named = _service_named(operation.service)
            return DELETE_DESTINATION, named + nest(DESTINATION, _destination_key(operation.key))


@functools.lru_cache(maxsize=65536)
def _service_key(key: ServiceKey) -> bytes:
    family = pack(SERVICE_FAMILY, U16.pack(FAMILIES[key.family]))
    if key.fwmark:
        return family + pack(SERVICE_FWMARK, U32.pack(key.fwmark))
    protocol = pack(SERVICE_PROTOCOL, U16.pack(PROTOCOLS[key.protocol]))
    address = pack(SERVICE_ADDRESS, _address(key.address))
    return family + protocol + address + pack(SERVICE_PORT, PORT_NUMBER.pack(key.port))


def _service_named(key: ServiceKey) -> bytes:
    return nest(SERVICE, _service_key(key))


def _service(service: VirtualService) -> bytes:
    return nest(
        SERVICE,
        _service_key(service.key)
        + pack(SERVICE_SCHEDULER, service.scheduler.encode() + b"\0")
        + pack(SERVICE_FLAGS, _flags(service))
        + pack(SERVICE_TIMEOUT, U32.pack(service.persistence_seconds))
        + pack(SERVICE_NETMASK, _netmask(service)),
    )


def _flags(service: VirtualService) -> bytes:
    ours = ONE_PACKET if service.one_packet else 0
    return FLAGS.pack(ours | (PERSISTENT if service.persistence_seconds else 0), ours | PERSISTENT)


def _netmask(service: VirtualService) -> bytes:
    """Return the client netmask: a mask in network order for IPv4, a prefix length in the host's for IPv6."""
    family = service.key.family
    full = FULL_PREFIXES[family]
    prefix = full if service.persistence_prefix is None else service.persistence_prefix
    if family is Family.IPV6:
        return U32.pack(prefix)
    return struct.pack("!I", (1 << full) - (1 << max(full - prefix, 0)))


@functools.lru_cache(maxsize=65536)
def _destination_key(key: DestinationKey) -> bytes:
    family = pack(ADDRESS_FAMILY, U16.pack(FAMILIES[key.family]))
    return family + pack(ADDRESS, _address(key.address)) + pack(PORT, PORT_NUMBER.pack(key.port))


def _destination(destination: Destination) -> bytes:
    settings = SETTINGS.pack(
        *(8, METHOD, METHODS[destination.forwarding]),
        *(8, WEIGHT, destination.weight),
        *(8, UPPER_THRESHOLD, destination.upper_threshold),
        *(8, LOWER_THRESHOLD, destination.lower_threshold),
    )
    return nest(DESTINATION, _destination_key(destination.key) + settings)


def _address(address: str) -> bytes:
    """Return an address as the kernel's union of both families: 16 bytes."""
    return ipaddress.ip_address(address).packed.ljust(16, b"\0")


def decode_service(payload: bytes) -> VirtualService:
    """Return one service of a dump."""
    family_code, protocol, address, port, fwmark, scheduler, flags, seconds, mask = SERVICES.read(payload)
    family = _decode_family(family_code)
    if fwmark is not None:
        key = ServiceKey.marked(fwmark, family)
    elif None in (protocol, address, port):
        raise TableError("the kernel has a service with neither an address nor a firewall mark")
    else:
        endpoint = _decode_endpoint(address, port, family)
        key = ServiceKey(family, _decode_protocol(protocol), endpoint.address, endpoint.port)
    name = scheduler.rstrip(b"\0").decode(errors="replace")
    one_packet = bool(flags & ONE_PACKET)
    if not flags & PERSISTENT:
        return VirtualService(key, name, one_packet=one_packet)
    return VirtualService(key, name, seconds, _decode_prefix(mask, family), one_packet)


def _decode_prefix(mask: int, family: Family) -> int | None:
    """Return a netmask's prefix length; the full one is None, as where it was never set."""
    prefix = mask if family is Family.IPV6 else mask.bit_count()
    return None if prefix == FULL_PREFIXES[family] else prefix


def decode_destination(payload: bytes, service: Family) -> tuple[Destination, Counters]:
    """Return one destination of the dump of a service of the family `service`.

    The kernel sums its total of connections up every two seconds; the other counters are of this moment.
    """
    address, port, method, weight, upper, lower, active, inactive, persistent, code, total = DESTINATIONS.read(payload)
    # A tunnel may lead to the other family. Kernels before 3.18 know no such tunnels and don't say the family.
    family = service if code is None else _decode_family(code)
    # The kernel has two more methods, for itself: they have no name here.
    forwarding = FORWARDING_OF.get(method, Forwarding.DIRECT)
    return (
        Destination(_decode_endpoint(address, port, family), forwarding, weight, upper, lower),
        Counters(active, inactive, persistent, total or 0),
    )


def _decode_family(code: int) -> Family:
    if code not in FAMILY_OF:
        raise TableError(f"the kernel has an address of family {code}, which is not IPv4 or IPv6")
    return FAMILY_OF[code]


def _decode_protocol(code: int) -> str:
    if code not in PROTOCOL_OF:
        raise TableError(f"the kernel has a service of protocol {code}, which is not tcp, udp or sctp")
    return PROTOCOL_OF[code]


@functools.lru_cache(maxsize=65536)
def _decode_endpoint(address: bytes, port: bytes, family: Family) -> Endpoint:
    length = 16 if family is Family.IPV6 else 4
    return Endpoint(str(ipaddress.ip_address(address[:length])), PORT_NUMBER.unpack(port)[0])
