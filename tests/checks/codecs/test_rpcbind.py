"""What rpcbind lists, in its three versions, and any bytes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import rpcbind, xdr
from feedback.checks.codecs.rpc_program import parse_program
from feedback.checks.codecs.rpcbind import Listing, Registration
from feedback.errors import CheckFailed

NFS_3 = Registration(100003, 3, "tcp", 2049)
NFS_4 = Registration(100003, 4, "tcp", 2049)
MOUNTD_3 = Registration(100005, 3, "udp6", 20048)


def mapping(program: int, version: int, protocol: int, port: int) -> bytes:
    return xdr.uint(1, program, version, protocol, port)


def rpcb(program: int, version: int, netid: str, address: str, owner: str = "superuser") -> bytes:
    return xdr.uint(1, program, version) + xdr.string(netid) + xdr.string(address) + xdr.string(owner)


END = xdr.uint(0)


def test_the_listing_has_the_same_number_in_every_version() -> None:
    assert [rpcbind.dump(version).number for version in (2, 3, 4)] == [4, 4, 4]


def test_the_port_mapper_lists_protocols_and_ports() -> None:
    data = mapping(100003, 3, 6, 2049) + mapping(100005, 1, 17, 20048) + mapping(100000, 2, 132, 111) + END
    assert rpcbind.read_dump(2, xdr.Reader(data)) == [NFS_3, Registration(100005, 1, "udp", 20048)]


@pytest.mark.parametrize("version", [3, 4])
def test_rpcbind_lists_netids_and_universal_addresses(version: int) -> None:
    data = rpcb(100003, 3, "tcp", "0.0.0.0.8.1") + rpcb(100005, 3, "udp6", "::.78.80")
    data += rpcb(100000, 4, "local", "/run/rpcbind.sock") + END
    assert rpcbind.read_dump(version, xdr.Reader(data)) == [NFS_3, MOUNTD_3]


def test_an_empty_list_has_nothing() -> None:
    assert rpcbind.read_dump(4, xdr.Reader(END)) == []


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("192.0.2.1.8.1", 2049),
        ("::.0.111", 111),
        ("2001:db8::1.255.255", 65535),
        ("", 0),
        ("/run/rpcbind.sock", 0),
        ("192.0.2.1.8.256", 0),
        ("192.0.2.1.256.8", 0),
        ("192.0.2.1.8.1 ", 0),
    ],
)
def test_the_port_is_the_last_two_bytes_of_an_address(address: str, port: int) -> None:
    assert rpcbind.port_of(address) == port


@pytest.mark.parametrize(
    ("version", "data", "sentence"),
    [
        (2, mapping(100003, 3, 6, 0), 'protocol: program 100003 is registered at "0", which is no port'),
        (2, mapping(100003, 3, 6, 65536), 'protocol: program 100003 is registered at "65536", which is no port'),
        (4, rpcb(100003, 3, "tcp", "nowhere"), 'protocol: program 100003 is registered at "nowhere", which is no port'),
        (2, mapping(100003, 3, 6, 2049), "protocol: the answer ends too early"),
        (4, rpcb(100003, 3, "x" * 1025, ""), "protocol: the answer announces 1025 bytes, must be 1024 at most"),
        (2, mapping(1, 1, 6, 1) * 1001 + END, "limit: more than 1000 programs are registered"),
    ],
)
def test_what_breaks_the_rules_is_refused_in_words(version: int, data: bytes, sentence: str) -> None:
    with pytest.raises(CheckFailed, match=f"^{sentence}"):
        rpcbind.read_dump(version, xdr.Reader(data))


def test_a_thousand_programs_are_not_too_many() -> None:
    assert len(rpcbind.read_dump(2, xdr.Reader(mapping(1, 1, 6, 1) * 1000 + END))) == 1000


@pytest.mark.parametrize(
    ("address", "transport", "netids"),
    [
        ("192.0.2.1", "tcp", ("tcp",)),
        ("192.0.2.1", None, ("tcp", "udp")),
        ("2001:db8::1", "udp", ("udp6",)),
        ("2001:db8::1", None, ("tcp6", "udp6")),
    ],
)
def test_netids_tell_the_transport_and_the_family(
    address: str, transport: rpcbind.Transport | None, netids: tuple[str, ...]
) -> None:
    assert rpcbind.netids(address, transport) == netids


def test_a_registration_is_shown_with_its_version_and_netid() -> None:
    assert (str(NFS_3), NFS_3.transport) == ("nfs/3 tcp", "tcp")
    assert (str(MOUNTD_3), MOUNTD_3.transport) == ("mountd/3 udp6", "udp")


def test_programs_are_found_in_all_versions_or_in_one() -> None:
    listing = Listing(("tcp",), (NFS_3, NFS_4, MOUNTD_3))
    assert listing.of(parse_program("nfs")) == [NFS_3, NFS_4]
    assert listing.of(parse_program("nfs/4")) == [NFS_4]
    assert str(listing) == "nfs 3 4, mountd 3"


def test_a_program_that_is_not_listed_is_told_with_what_is() -> None:
    with pytest.raises(CheckFailed, match=r"^content: nfs/2 is not registered on tcp or udp; there are: nfs 3$"):
        Listing(("tcp", "udp"), (NFS_3,)).of(parse_program("nfs/2"))
    with pytest.raises(CheckFailed, match=r"^content: status is not registered on udp6; there are: none$"):
        Listing(("udp6",), ()).of(parse_program("status"))


@given(st.sampled_from([2, 3, 4]), st.sampled_from([b"", mapping(1, 1, 6, 1), rpcb(1, 1, "udp", "0.0.0.0.0.1")]))
def test_what_ends_too_early_is_refused(version: int, beginning: bytes) -> None:
    with pytest.raises(CheckFailed):
        rpcbind.read_dump(version, xdr.Reader(beginning[:-1]))


@given(st.sampled_from([2, 4]), st.binary(max_size=200))
def test_any_bytes_are_a_list_or_refused(version: int, data: bytes) -> None:
    with contextlib.suppress(CheckFailed):
        assert isinstance(rpcbind.read_dump(version, xdr.Reader(xdr.uint(1) + data)), list)
