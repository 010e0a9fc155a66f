import contextlib
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedback.director.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    Operation,
    SetDestination,
    SetService,
    canonical,
)
from feedback.director.table.ipvs import (
    decode_destination,
    decode_service,
    destinations_request,
    operation_request,
    services_request,
)
from feedback.director.table.netlink import HEADER, answers, nest, pack, walk
from feedback.errors import TableError
from feedback.model import (
    Counters,
    Destination,
    Endpoint,
    Family,
    Forwarding,
    ServiceKey,
    Transport,
    VirtualService,
)

WEB = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.10", 80))
WEB_V6 = ServiceKey.at(Transport.TCP, Endpoint("2001:db8::10", 80))
RS1 = Destination(Endpoint("10.2.0.11", 80), Forwarding.MASQUERADE, 7)

KERNEL_SERVICE = bytes.fromhex(
    "01010000" + "54010100"  # a service
    "0600010002000000" + "0600020006000000" + "14000300c000020a" + "00" * 12 + "0600040000500000"  # tcp 192.0.2.10:80
    "08000600776c6300" + "0c00070003000000ffffffff"  # wlc; flags persistent and hashed
    "080008003c000000" + "08000900ffffffff"  # 60 s, full netmask
    "60000a00"
    "0800010000000000080002000000000008000300000000000c000400000000000000000004000b000c000500000000000000000008000600"
    "0000000008000700000000000800080000000000080009000000000008000a0000000000"
    "a0000c00"
    "0c000100000000000000000004000b000c000200000000000000000004000b000c000300000000000000000004000b000c00040000000000"
    "0000000004000b000c000500000000000000000004000b000c000600000000000000000004000b000c000700000000000000000004000b00"
    "0c000800000000000000000004000b000c000900000000000000000004000b000c000a000000000000000000"
)
"""What Linux 6.1 says of a service that ipvsadm -A -t 192.0.2.10:80 -s wlc -p 60 has made."""

KERNEL_DESTINATION = bytes.fromhex(
    "05010000" + "7c010200"  # a destination
    "140001000a02000b" + "00" * 12 + "0600020000500000"  # 10.2.0.11:80
    "0800030000000000" + "0800040007000000"  # masquerade, weight 7
    "05000d0000000000" + "06000e0000000000" + "06000f0000000000"  # the kind of tunnel
    "0800050000000000" + "0800060000000000"  # thresholds
    "0800070003000000" + "0800080002000000" + "0800090001000000"  # 3 active, 2 inactive, 1 persistent
    "06000b0002000000"
    "64000a00"
    "08000100000000000800020000000000080003000000000004000b000c000400000000000000000004000b000c0005000000000000000000"
    "080006000000000008000700000000000800080000000000080009000000000008000a0000000000"
    "a0000c00"
    "0c000100090000000000000004000b000c000200000000000000000004000b000c000300000000000000000004000b000c00040000000000"
    "0000000004000b000c000500000000000000000004000b000c000600000000000000000004000b000c000700000000000000000004000b00"
    "0c000800000000000000000004000b000c000900000000000000000004000b000c000a000000000000000000"
)
"""What Linux 6.1 says of a destination, counters filled in."""

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
endpoints = st.builds(Endpoint, addresses, st.integers(0, 65535))
keys = st.one_of(
    st.builds(ServiceKey.at, st.sampled_from(Transport), endpoints),
    st.builds(ServiceKey.marked, st.integers(1, 2**32 - 1), st.sampled_from(Family)),
)
services = keys.flatmap(
    lambda key: st.builds(
        VirtualService,
        st.just(key),
        st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=15),
        st.integers(0, 2**32 - 1),
        st.one_of(st.none(), st.integers(1, 128 if key.family is Family.IPV6 else 32)),
    )
)
numbers = st.integers(0, 2**32 - 1)
destinations = st.builds(Destination, endpoints, st.sampled_from(Forwarding), numbers, numbers, numbers)
counters = st.builds(Counters, numbers, numbers, numbers, st.integers(0, 2**64 - 1))


def attributes(data: bytes) -> dict[int, bytes]:
    return {kind: data[begin:stop] for kind, begin, stop in walk(data, 0, len(data))}


def body(payload: bytes) -> dict[int, bytes]:
    return attributes(payload[4:])


def payload_of(operation: Operation) -> bytes:
    """Return what the kernel gets to see of an operation."""
    (sent,) = answers(operation_request(28, 5, operation))
    assert (sent.kind, sent.sequence) == (28, 5)
    return sent.payload


def dumped(destination: Destination, counted: Counters) -> bytes:
    """Return what the kernel says of a destination: what it was told, and its counters."""
    told = body(payload_of(AddDestination(WEB, destination)))[2]
    numbers = (counted.active_connections, counted.inactive_connections, counted.persistent_connections)
    kept = b"".join(pack(kind, struct.pack("=I", count)) for kind, count in enumerate(numbers, start=7))
    return bytes(4) + nest(2, told + kept + nest(12, pack(1, struct.pack("=Q", counted.total_connections))))


def without(payload: bytes, outer: int, kind: int) -> bytes:
    """Return a message without one attribute of its nest."""
    found = attributes(body(payload)[outer])
    return payload[:4] + nest(outer, b"".join(pack(each, found[each]) for each in found if each != kind))


def with_value(payload: bytes, outer: int, kind: int, data: bytes) -> bytes:
    """Return a message with another value for one attribute of its nest."""
    found = {**attributes(body(payload)[outer]), kind: data}
    return payload[:4] + nest(outer, b"".join(pack(each, found[each]) for each in found))


def decode_all(payload: bytes) -> None:
    """Decode a message in each way; a TableError with a sentence is as good as a value, any other error is not."""
    for decode in (decode_service, lambda payload: decode_destination(payload, Family.IPV6)):
        with contextlib.suppress(TableError):
            decode(payload)


def test_a_service_of_the_kernel_is_read() -> None:
    assert decode_service(KERNEL_SERVICE) == VirtualService(WEB, "wlc", persistence_seconds=60)


def test_a_destination_of_the_kernel_is_read() -> None:
    assert decode_destination(KERNEL_DESTINATION, Family.IPV4) == (RS1, Counters(3, 2, 1, 9))


@given(services)
def test_a_service_reads_back_as_it_was_written(service: VirtualService) -> None:
    for operation in (AddService(service), SetService(service)):
        assert canonical(decode_service(payload_of(operation))) == canonical(service)


@given(services)
def test_what_reads_alike_is_written_in_one_way(service: VirtualService) -> None:
    """The full prefix is None, and without persistence there is none at all."""
    full = 128 if service.key.family is Family.IPV6 else 32
    read = decode_service(payload_of(AddService(service)))
    assert read.persistence_prefix != full
    assert service.persistence_seconds or read.persistence_prefix is None


@given(destinations, counters)
def test_a_destination_reads_back_as_it_was_written(destination: Destination, counted: Counters) -> None:
    assert decode_destination(dumped(destination, counted), Family.IPV4) == (destination, counted)


@given(st.binary(max_size=300))
@example(bytes(4))
def test_any_bytes_are_a_value_or_a_table_error(data: bytes) -> None:
    decode_all(data)


damages = st.lists(st.tuples(st.integers(0, len(KERNEL_DESTINATION) - 1), st.integers(0, 255)), max_size=4)


@given(damages, st.integers(0, len(KERNEL_DESTINATION)))
def test_a_damaged_message_is_a_value_or_a_table_error(damage: list[tuple[int, int]], length: int) -> None:
    for whole in (KERNEL_SERVICE, KERNEL_DESTINATION):
        damaged = bytearray(whole)
        for place, byte in damage:
            damaged[place % len(whole)] = byte
        decode_all(bytes(damaged[:length]))


@pytest.mark.parametrize("kind", [1, 6, 7, 8, 9])
def test_a_service_without_one_of_its_attributes_is_an_error(kind: int) -> None:
    with pytest.raises(TableError, match=rf"^the kernel's answer lacks attribute 1\.{kind}$"):
        decode_service(without(KERNEL_SERVICE, 1, kind))


@pytest.mark.parametrize("kind", [2, 3, 4])
def test_a_service_that_nothing_identifies_is_an_error(kind: int) -> None:
    with pytest.raises(TableError, match=r"^the kernel has a service with neither an address nor a firewall mark$"):
        decode_service(without(KERNEL_SERVICE, 1, kind))


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_a_destination_without_one_of_its_attributes_is_an_error(kind: int) -> None:
    with pytest.raises(TableError, match=rf"^the kernel's answer lacks attribute 2\.{kind}$"):
        decode_destination(without(KERNEL_DESTINATION, 2, kind), Family.IPV4)


def test_a_destination_that_does_not_say_its_family_has_its_services() -> None:
    assert decode_destination(without(KERNEL_DESTINATION, 2, 11), Family.IPV4) == (RS1, Counters(3, 2, 1, 9))
    silent = without(dumped(Destination(Endpoint("2001:db8::1", 80), Forwarding.DIRECT, 1), Counters()), 2, 11)
    assert decode_destination(silent, Family.IPV6)[0].key == Endpoint("2001:db8::1", 80)


def test_a_kernel_that_does_not_count_in_64_bits_counts_nothing() -> None:
    assert decode_destination(without(KERNEL_DESTINATION, 2, 12), Family.IPV4)[1].total_connections == 0


@pytest.mark.parametrize("method", [1, 4, 77])
def test_a_forwarding_method_without_a_name_reads_as_direct(method: int) -> None:
    payload = with_value(KERNEL_DESTINATION, 2, 3, struct.pack("=I", method))
    assert decode_destination(payload, Family.IPV4)[0].forwarding is Forwarding.DIRECT


@pytest.mark.parametrize(
    ("kind", "data", "sentence"),
    [
        (1, b"\x05\0", "the kernel has an address of family 5, which is not IPv4 or IPv6"),
        (2, b"\x01\0", "the kernel has a service of protocol 1, which is not tcp, udp or sctp"),
        (3, b"\x0a\0", "the kernel's answer has 2 bytes in attribute 1.3"),
        (4, b"\0", "the kernel's answer has 1 bytes in attribute 1.4"),
        (7, b"\1\0\0\0", "the kernel's answer has 4 bytes in attribute 1.7"),
        (8, b"\1\0", "the kernel's answer has 2 bytes in attribute 1.8"),
    ],
)
def test_a_service_with_a_strange_value_is_an_error(kind: int, data: bytes, sentence: str) -> None:
    with pytest.raises(TableError) as raised:
        decode_service(with_value(KERNEL_SERVICE, 1, kind, data))
    assert str(raised.value) == sentence


def test_a_schedulers_name_that_is_no_text_is_still_read() -> None:
    assert decode_service(with_value(KERNEL_SERVICE, 1, 6, b"w\xff\0")).scheduler == "w\N{REPLACEMENT CHARACTER}"


def test_a_netmask_is_a_mask_for_ipv4_and_a_length_for_ipv6() -> None:
    ipv4 = attributes(body(payload_of(AddService(VirtualService(WEB, "rr", 60, 20))))[1])
    ipv6 = attributes(body(payload_of(AddService(VirtualService(WEB_V6, "rr", 60, 20))))[1])
    assert ipv4[9] == bytes([255, 255, 240, 0])
    assert ipv6[9] == struct.pack("=I", 20)


def test_only_the_flag_that_is_ours_is_written() -> None:
    """The kernel keeps a service's other flags, those that someone else may have set among them."""
    on = attributes(body(payload_of(SetService(VirtualService(WEB, "rr", 60))))[1])
    off = attributes(body(payload_of(SetService(VirtualService(WEB, "rr"))))[1])
    assert (on[7], off[7]) == (struct.pack("=II", 1, 1), struct.pack("=II", 0, 1))


def test_one_packet_at_a_time_is_asked_for_and_not_taken_back() -> None:
    service = VirtualService(WEB, "rr", one_packet=True)
    assert attributes(body(payload_of(AddService(service)))[1])[7] == struct.pack("=II", 4, 5)
    assert decode_service(with_value(KERNEL_SERVICE, 1, 7, struct.pack("=II", 5, 0))).one_packet
    assert decode_service(with_value(KERNEL_SERVICE, 1, 7, struct.pack("=II", 4, 0))).one_packet
    assert not decode_service(KERNEL_SERVICE).one_packet


def test_operations_have_the_commands_of_the_kernel() -> None:
    service = VirtualService(WEB, "rr")
    operations: list[Operation] = [
        AddService(service),
        SetService(service),
        DeleteService(WEB),
        AddDestination(WEB, RS1),
        SetDestination(WEB, RS1),
        DeleteDestination(WEB, RS1.key),
    ]
    assert [payload_of(each)[0] for each in operations] == [1, 2, 3, 5, 6, 7]


def test_a_destination_is_deleted_by_its_address_alone() -> None:
    found = body(payload_of(DeleteDestination(WEB, RS1.key)))
    assert set(attributes(found[1])) == {1, 2, 3, 4}
    assert set(attributes(found[2])) == {11, 1, 2}


def test_dumps_are_asked_for_by_service() -> None:
    (all_services,) = answers(services_request(28, 1))
    (of_one,) = answers(destinations_request(28, 2, ServiceKey.marked(17, Family.IPV6)))
    assert (all_services.payload[0], body(all_services.payload)) == (4, {})
    assert of_one.payload[0] == 8
    assert attributes(body(of_one.payload)[1]) == {1: struct.pack("=H", 10), 5: struct.pack("=I", 17)}
    assert {HEADER.unpack_from(each)[2] for each in (services_request(28, 1), destinations_request(28, 2, WEB))} == {
        0x301
    }


@pytest.mark.parametrize(
    "operation",
    [
        AddDestination(WEB, Destination(RS1.key, Forwarding.MASQUERADE, 2**32)),
        SetDestination(WEB, Destination(RS1.key, Forwarding.MASQUERADE, -1)),
        AddService(VirtualService(WEB, "rr", 2**32)),
        AddService(VirtualService(WEB, "rr", 60, -1)),
    ],
)
def test_a_number_that_fits_no_message_is_an_overflow(operation: Operation) -> None:
    with pytest.raises(OverflowError, match=r"is out of range$"):
        operation_request(28, 1, operation)
