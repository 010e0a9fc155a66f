"""The `dns` check against BIND and Unbound: every transport, serials old and new, signed zones, and what fails."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from feedback.checks.codecs.dns_message import HEADER_BYTES
from feedback.checks.dns import DnsCheck
from feedback.checks.dns_serial import Serial
from feedback.checks.runner import run_once
from feedback.model import Endpoint, Outcome
from feedback.net import Target
from tests.checks import peers
from tests.checks.dns_answers import soa
from tests.checks.peers import check_once, udp_peer
from tests.checks.servers import process
from tests.checks.servers.named import named, signed_zone, zone
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.servers.unbound import unbound
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

NEW, OLD = 2024010107, 2024010105

RECORDS = """
www   A     192.0.2.1
www   A     192.0.2.2
www   AAAA  2001:db8::80
alias CNAME www
mail  MX    10 mx.example.net.
text  TXT   "v=spf1 -all"
_sip._udp SRV 0 5 5060 www
web   HTTPS 1 . alpn=h2
odd   TYPE65280 \\# 2 0a0b
sub   NS    ns.elsewhere.example.
""" + "".join(f'large TXT "{number:0200}"\n' for number in range(10))


class Place(msgspec.Struct, frozen=True):
    """The servers of this module, and how to get at them."""

    new: Endpoint
    old: Endpoint
    resolver: Endpoint
    tls_port: int
    resolver_tls_port: int
    ca_file: str


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dns")


@pytest.fixture(scope="module")
def place(directory: Path, authority: Authority) -> Iterator[Place]:
    pair = authority.issue("dns", "DNS:dns.example.com,IP:127.0.0.1,IP:::1")
    file, key = signed_zone(directory / "signed", "signed.example", zone(1, "www A 192.0.2.3\n"))
    zones = {"example.com": zone(NEW, RECORDS), "bogus.example": zone(1, "www A 192.0.2.4\n")}
    tls_port = process.free_port()
    with (
        named(
            directory / "new", zones, pair=pair, tls_port=tls_port, lost=["lost.example"],
            signed={"signed.example": file},
        ) as (new, _),
        named(directory / "old", {"example.com": zone(OLD)}) as (old, _),
        unbound(
            directory / "resolver", new, ["signed.example", "bogus.example", "example.com"],
            [key, key.replace("signed.example", "bogus.example")], pair,
        ) as (resolver, resolver_tls_port),
    ):  # fmt: skip
        yield Place(new, old, resolver, tls_port, resolver_tls_port, authority.ca_file)


def www(**options: Any) -> DnsCheck:
    return DnsCheck(**({"query_name": "www.example.com", "query_type": "A"} | options))


def like(authority: Endpoint | None, **wanted: Any) -> DnsCheck:
    serial = Serial(authority=None if authority is None else str(authority), **wanted)
    return DnsCheck(query_name="example.com", serial=serial)


@pytest.mark.parametrize("address", peers.ADDRESSES)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_records_are_found(place: Place, transport: str, address: str) -> None:
    result = await check_once(www(transport=transport, address=address, authoritative=True), place.new)
    assert result == (Outcome.PASS, "", "NOERROR: 192.0.2.1, 192.0.2.2")


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("www", "AAAA", "2001:DB8:0::80"),
        ("alias", "A", "192.0.2.2"),
        ("alias", "CNAME", "WWW.example.com."),
        ("mail", "MX", "10 mx.example.net."),
        ("text", "TXT", '"v=spf1 -all"'),
        ("_sip._udp", "SRV", "0 5 5060 www.example.com."),
        ("web", "HTTPS", "1 . alpn=h2"),
        ("odd", "TYPE65280", r"\# 2 0a0b"),
    ],
)
async def test_records_of_every_type_may_be_wanted(place: Place, name: str, kind: str, data: str) -> None:
    check = DnsCheck(query_name=f"{name}.example.com", query_type=kind, answer=[data], authoritative=True)
    assert (await check_once(check, place.new))[0] is Outcome.PASS


async def test_other_classes_can_be_asked(place: Place) -> None:
    check = DnsCheck(query_name="id.server", query_type="TXT", query_class="CH", answer_regex="ns-one")
    assert await check_once(check, place.new) == (Outcome.PASS, "", 'NOERROR: "ns-one"')


@pytest.mark.parametrize("edns", [False, True])
async def test_an_answer_too_large_for_udp_comes_over_tcp(place: Place, edns: bool) -> None:
    check = DnsCheck(query_name="large.example.com", query_type="TXT", min_answers=10, edns=edns)
    assert (await check_once(check, place.new))[0] is Outcome.PASS


@pytest.mark.parametrize(
    ("options", "reason", "detail"),
    [
        (
            {"answer": ["192.0.2.1", "192.0.2.9"]},
            "content",
            "192.0.2.9 not in the answer: NOERROR: 192.0.2.1, 192.0.2.2",
        ),
        ({"query_name": "none.example.com"}, "dns", "rcode NXDOMAIN for none.example.com. A, must be NOERROR"),
        ({"query_name": "www.example.net"}, "dns", "rcode REFUSED for www.example.net. A, must be NOERROR"),
        ({"query_name": "lost.example"}, "dns", "rcode SERVFAIL for lost.example. A, must be NOERROR"),
        ({"query_type": "MX"}, "dns", "no records in the answer for www.example.com. MX"),
        ({"query_name": "www.sub.example.com"}, "dns", "no records in the answer for www.sub.example.com. A"),
        (
            {"query_name": "www.sub.example.com", "authoritative": True},
            "dns",
            "the answer for www.sub.example.com. A is not authoritative (AA)",
        ),
    ],
)
async def test_another_answer_fails(place: Place, options: dict[str, Any], reason: str, detail: str) -> None:
    assert await check_once(www(**options), place.new) == (Outcome.FAIL, reason, detail)


async def test_an_rcode_may_be_wanted(place: Place) -> None:
    check = www(query_name="none.example.com", rcode="NXDOMAIN", authoritative=True)
    assert await check_once(check, place.new) == (Outcome.PASS, "", "NXDOMAIN")


async def test_the_servers_own_name_is_shown(place: Place) -> None:
    assert (await check_once(www(nsid=True), place.new))[2] == "NOERROR: 192.0.2.1, 192.0.2.2; NSID ns-one"
    assert (await check_once(www(nsid=True), place.resolver))[2].endswith("; NSID resolver-one")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_dns_over_tls(place: Place, address: str) -> None:
    check = www(transport="tls", port=place.tls_port, address=address, ca_file=place.ca_file)
    outcome, _, detail = await check_once(check, place.new)
    assert outcome is Outcome.PASS, detail
    assert detail.startswith("NOERROR: 192.0.2.1, 192.0.2.2; certificate expires in ")


async def test_dns_over_tls_of_another_server_and_by_name(place: Place) -> None:
    check = www(transport="tls", port=place.resolver_tls_port, ca_file=place.ca_file, sni="dns.example.com")
    assert (await check_once(check, place.resolver))[0] is Outcome.PASS


async def test_a_certificate_for_another_name_fails(place: Place) -> None:
    check = www(transport="tls", port=place.tls_port, ca_file=place.ca_file, sni="www.example.com")
    outcome, reason, detail = await check_once(check, place.new)
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert "certificate is not valid for 'www.example.com'" in detail


async def test_tls_on_a_port_without_it_fails(place: Place) -> None:
    outcome, reason, _ = await check_once(www(transport="tls", verify=False), place.new, SOON_SECONDS)
    assert outcome is Outcome.FAIL
    assert reason in {"tls", "timeout"}  # BIND takes the handshake for the length of a message, and waits for the rest


async def test_a_validated_answer(place: Place) -> None:
    check = www(query_name="www.signed.example", dnssec=True, answer=["192.0.2.3"])
    assert await check_once(check, place.resolver) == (Outcome.PASS, "", "NOERROR: 192.0.2.3")


async def test_an_answer_that_nobody_has_validated_fails(place: Place) -> None:
    result = await check_once(www(dnssec=True), place.resolver)
    sentence = "the answer for www.example.com. A has not been validated (AD)"
    assert result == (Outcome.FAIL, "dns", sentence)
    signed = await check_once(www(query_name="www.signed.example", dnssec=True), place.new)
    assert signed[:2] == (Outcome.FAIL, "dns")


async def test_a_zone_that_should_be_signed_and_is_not_fails(place: Place) -> None:
    result = await check_once(www(query_name="www.bogus.example", dnssec=True), place.resolver)
    assert result == (Outcome.FAIL, "dns", "rcode SERVFAIL for www.bogus.example. A, must be NOERROR")


async def test_a_serial_is_compared_with_the_authoritys(place: Place) -> None:
    outcome, _, detail = await check_once(like(place.new), place.new)
    assert outcome is Outcome.PASS
    assert detail.endswith(f"; serial {NEW}, like the authority {place.new}")
    behind = f"serial {OLD} is 2 behind the authority {place.new}, which has {NEW}"
    assert await check_once(like(place.new), place.old) == (Outcome.FAIL, "content", f"{behind}, must be the same")
    tolerant = await check_once(like(place.new, max_behind=2), place.old)
    assert tolerant[2].endswith(f"; serial {OLD}, 2 behind the authority {place.new}")
    patient = await check_once(like(place.new, max_behind_for=3600.0), place.old)
    assert patient[0] is Outcome.PASS
    ahead = f"serial {NEW} is 2 ahead of the authority {place.old}, which has {OLD}"
    assert await check_once(like(place.old), place.new) == (Outcome.FAIL, "content", ahead)


async def test_a_serial_is_compared_with_the_newest_of_the_service(place: Place) -> None:
    check = like(None)
    details = [
        (await run_once(check, Target(endpoint, name, "dns"), 10.0)).detail.partition("; ")[2] or "behind"
        for name, endpoint in (("rs1", place.old), ("rs2", place.new), ("rs1", place.old))
    ]
    assert details == [
        f"serial {OLD}, like itself, as no other is known",
        f"serial {NEW}, like the newest of 2 destinations",
        "behind",
    ]


async def test_the_serial_of_a_server_that_has_it_from_others_is_not_compared(place: Place) -> None:
    check = DnsCheck(query_name="example.com", recursion=True, serial=Serial(authority=str(place.new)))
    result = await check_once(check, place.resolver)
    assert result == (Outcome.FAIL, "dns", "the answer for example.com. SOA is not authoritative (AA)")


async def test_an_authority_that_is_gone_or_hangs_or_is_none_says_nothing(place: Place, directory: Path) -> None:
    gone = Endpoint("127.0.0.1", process.free_port())
    outcome, reason, detail = await check_once(like(gone), place.old)
    assert (outcome, reason) == (Outcome.UNKNOWN, "local")
    assert detail.endswith(f"did not tell the serial of example.com.: connection refused by {gone}")
    with named(directory / "authority", {"example.com": zone(NEW)}) as (hanging, server):
        with process.stopped(server):
            outcome, reason, detail = await check_once(like(hanging), place.old, 3.0)
        assert (outcome, reason) == (Outcome.UNKNOWN, "local")
        assert detail.endswith(f"did not tell the serial of example.com.: no answer from {hanging}, asked twice")
    other = DnsCheck(query_name="bogus.example", serial=Serial(authority=str(place.old)))
    outcome, reason, detail = await check_once(other, place.new)
    assert (outcome, reason) == (Outcome.UNKNOWN, "local")
    assert detail.endswith("did not tell the serial of bogus.example.: it answers REFUSED")


def _memory_of(check: DnsCheck) -> Any:
    assert check._comparison is not None
    return check._comparison._memory


async def test_checks_at_the_same_time_ask_the_authority_once(place: Place) -> None:
    """It answers when all of them want to know: whoever came first has asked for them all."""
    answers: list[bytes] = []

    def slow(data: bytes, _number: int) -> None:
        answers.append(data[:2] + soa(NEW)[2:])

    async with udp_peer(slow) as (authority, peer):
        senders: list[Any] = []
        peer.on_sender = senders.append
        check = like(authority)
        runs = [
            asyncio.create_task(run_once(check, Target(place.new, f"rs{number}", "dns"), 20.0)) for number in range(20)
        ]
        await peers.until(lambda: bool(answers) and len(_memory_of(check).sightings.current("dns", 0.0, 1e9)) == 20)
        peer._socket.sendto(answers[0], senders[0])
        results = await asyncio.gather(*runs)
        assert {result.outcome for result in results} == {Outcome.PASS}
        assert len(peer.heard) == 1


@pytest.mark.parametrize("address", peers.ADDRESSES)
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_port_on_which_nobody_listens_fails(transport: str, address: str) -> None:
    endpoint = Endpoint(address, process.free_port())
    result = await check_once(www(transport=transport), endpoint)
    assert result == (Outcome.FAIL, "refused", f"connection refused by {endpoint}")


async def test_a_server_that_hangs_fails_and_is_good_again_when_it_goes_on(
    directory: Path, authority: Authority
) -> None:
    tls_port = process.free_port()
    pair = authority.issue("hanging", "IP:127.0.0.1")
    checks = [www(), www(transport="tcp"), www(transport="tls", port=tls_port, ca_file=authority.ca_file)]
    zones = {"example.com": zone(NEW, RECORDS)}
    with named(directory / "hanging", zones, pair=pair, tls_port=tls_port) as (endpoint, server):
        with process.stopped(server):
            results = await asyncio.gather(*(check_once(check, endpoint, SOON_SECONDS) for check in checks))
        assert [(outcome, reason) for outcome, reason, _ in results] == [(Outcome.FAIL, "timeout")] * 3
        results = await asyncio.gather(*(check_once(check, endpoint) for check in checks))
        assert [outcome for outcome, _, _ in results] == [Outcome.PASS] * 3


async def test_tcp_that_fails_at_any_step_fails(place: Place) -> None:
    await fails_at_every_step(www(transport="tcp"), place.new, steps=2)


async def test_tls_that_fails_at_any_step_fails(place: Place) -> None:
    check = www(transport="tls", verify=False)
    await fails_at_every_step(check, Endpoint("127.0.0.1", place.tls_port), steps=3)


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"\xff" * 500, bytes(12), bytes(60_000)])
async def test_garbage_over_udp_is_no_answer(garbage: bytes) -> None:
    async with udp_peer(lambda _data, _number: garbage) as (endpoint, peer):
        outcome, reason, detail = await check_once(www(), endpoint, SOON_SECONDS)
        assert (outcome, reason) == (Outcome.FAIL, "timeout")
        assert "no answer from" in detail
        assert len(peer.heard) == 2


async def test_what_is_garbage_after_the_header_fails_at_once() -> None:
    def answer(data: bytes, _number: int) -> bytes:
        return data[:2] + b"\x80\x00\x00\x01\x00\x09\x00\x00\x00\x00" + data[HEADER_BYTES:] + b"\xff" * 40

    async with udp_peer(answer) as (endpoint, _):
        result = await check_once(www(), endpoint)
    assert result == (Outcome.FAIL, "protocol", "the answer is broken: a name in it is none")
