"""Every parser of bytes from the network, with examples of what it parses: what the fuzzer knows of the project.

A parser returns a value or raises a FeedbackError, whatever the bytes. Anything else that it does is a finding.
"""

import contextlib
from collections.abc import Callable, Mapping

from feedback import orca, perfdata, report
from feedback.agent import dbus, exposition, sockdiag
from feedback.checks.codecs import (
    agent_words,
    amqp_frame,
    certificate,
    dns_message,
    fastcgi,
    ftp_reply,
    grpc_health,
    http_body,
    http_message,
    http_redirect,
    json_pointer,
    ldap_message,
    mount3,
    mqtt_packet,
    mysql_packet,
    nfs3,
    nfs4,
    ntp_packet,
    ocsp,
    postfix_queue,
    postgresql_message,
    radius_packet,
    resp,
    rpc_message,
    rpcbind,
    rstat,
    scram,
    sip_message,
    smtp_reply,
    snmp_message,
    tls_hello,
    xdr,
)
from feedback.director.feeds import agent_check as feed_agent_check
from feedback.director.feeds import host_text
from feedback.engine import echo
from feedback.model import Family
from feedback.pki import authority
from tests.checks import radius_server
from tests.checks.certificates import NAMED
from tests.checks.ocsp_responses import response, single
from tests.fuzz.hosts import HOSTS
from tests.fuzz.parser import Parser


def _http_answer(data: bytes) -> object:
    """Read an answer as the check does: its status, its head, its body in pieces."""
    if http_message.status_of(data) is None:
        return None
    end = http_message.end_of_head(data)
    body = http_body.Body(http_message.parse_head(data[:end]), 4096)
    for start in range(end, len(data), 7):
        if body.complete or body.truncated:
            break
        body.feed(data[start : start + 7])
    else:
        if not (body.complete or body.truncated):
            body.feed(b"")
    return body.data


_WWW = dns_message.make_question("www.example.com", "A")


def _http_redirect(data: bytes) -> object:
    """Read a redirect as the check does that follows it."""
    head = http_message.Head(302, "302 Found", (("location", data.decode("latin-1")),))
    return http_redirect.way(head, "GET", http_redirect.Origin("http", "www.example.com", "/a/b?c"))


def _json_body(data: bytes) -> object:
    """Read a body as JSON, and look into it and show it as the check does."""
    document = json_pointer.decode(data)
    with contextlib.suppress(LookupError):
        return json_pointer.show(json_pointer.find(document, ("nodes", "0", "state")))
    return json_pointer.show(document)


def _ftp_reply(data: bytes) -> object:
    """Read a reply, and whatever may be asked of one: what it announces, and where data go."""
    reply = None
    for line in data.splitlines(keepends=True):
        reply = ftp_reply.read_line(reply, line)
        if reply.complete:
            break
    if reply is None:
        return None
    if reply.code == 211:
        ftp_reply.require_feature(reply, "REST STREAM")
        return reply.headline
    if reply.code == 227:
        return ftp_reply.read_passive(reply)
    return ftp_reply.read_extended_passive(reply) if reply.code == 229 else reply.headline


def _smtp_reply(data: bytes) -> object:
    """Read a reply to EHLO as the check does: line by line, to its last."""
    reply = None
    for line in data.splitlines(keepends=True):
        reply = smtp_reply.read_line(reply, line)
        if reply.complete:
            return str(reply), smtp_reply.capabilities(reply)
    return reply


def _postgresql_message(data: bytes) -> object:
    """Read a message as the check does, by its kind."""
    kind, count = postgresql_message.read_header(data[:5].ljust(5, b"\0"))
    read = {
        "E": postgresql_message.read_refusal,
        "R": postgresql_message.read_authentication,
        "S": postgresql_message.read_parameter,
        "D": postgresql_message.read_row,
    }.get(kind, str)
    return str(read(data[5 : 5 + count]))


def _fastcgi(data: bytes) -> object:
    """Read records as the agent does, to the end of a request."""
    output = fastcgi.Output(4096)
    while data and not output.ended:
        header = fastcgi.read_header(data[:8].ljust(8, b"\0"))
        output.feed(header, data[8 : 8 + header.rest_bytes])
        data = data[8 + header.rest_bytes :]
    return output.document()


def _resp(data: bytes) -> object:
    """Read an answer of Redis as the check does."""
    line, end, rest = data.partition(b"\r\n")
    answer = resp.read_line(line + end)
    return resp.read_info(resp.read_bulk(rest[: answer.count + 2])) if isinstance(answer, resp.Bulk) else answer


_SCRAM_OPENING = scram.opening(b"\0\0\0")


def _ldap_message(data: bytes) -> object:
    """Read a message as the check does: how long it is, and then the rest."""
    if len(data) < ldap_message.HEAD_BYTES:
        return None
    head = data[: ldap_message.HEAD_BYTES + ldap_message.further_head_bytes(data)]
    return ldap_message.read_body(data[len(head) : len(head) + ldap_message.body_length(head)])


_RADIUS_ASKED = radius_packet.status_server(7, bytes(16), b"secret", b"feedback")


def _radius_answer(data: bytes) -> object:
    """Read attributes that are signed, which is where most of the parser begins."""
    answer = radius_server.finished(_RADIUS_ASKED.packet, 2, b"secret", data[:4000])
    return str(radius_packet.read_answer(answer, _RADIUS_ASKED))


_HEARD = feed_agent_check.Heard(agent_words.Words(down="down"), "why")

_RPC_ACCEPTED = xdr.uint(1, 1, 0, 0, 0, 0)


def _rpc(read: Callable[[xdr.Reader], object], *seeds: bytes) -> Parser:
    """Return a parser of an RPC reply's results, with results to begin with."""

    def parse(data: bytes) -> object:
        reader = rpc_message.results(data, 1)
        return None if reader is None else read(reader)

    return Parser(parse, tuple(_RPC_ACCEPTED + seed for seed in seeds))


# What `openssl req -new` makes
_SIGNING_REQUEST = b"""\
-----BEGIN CERTIFICATE REQUEST-----
MIG7MGICAQAwADBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEe3ZlIC6gzPNEka
mns6l87wiZdOS+J7uYJqMToZ/MeS2XIQVFEs2FA6FFtCf12NkwioxJCH7A1mkh/c
71kPQJWgADAKBggqhkjOPQQDAgNJADBGAiEAwzF37tiqNrRGtkYHCTMAAxlC0kwt
oMcyTwtLIUqJAR4CIQDVcp1dgUgi4wGnUXPXbDu+D3lu9HKTos49WaiLrNW9oQ==
-----END CERTIFICATE REQUEST-----
"""

PARSERS: Mapping[str, Parser] = {
    **HOSTS,
    "agent frame": Parser(
        report.decode_agent_frame,
        (
            report.encode(report.Hello("rs1")),
            report.encode(report.Report({"cpu": 0.5, "memory": 0.25}, {"disk": "no such file"}, 7, 1e9)),
            report.encode(report.Report({}, state=report.HostState.DOWN, why="nobody listens on TCP port 80")),
            report.encode(report.SetWish(report.Wish.DRAIN)),
        ),
    ),
    "director frame": Parser(
        report.decode_director_frame,
        (report.encode(report.Accepted(report.Wish.READY)), report.encode(report.Renewed("PEM"))),
    ),
    "signing request": Parser(lambda data: authority.requested_key(data.decode("latin-1")), (_SIGNING_REQUEST,)),
    "performance data": Parser(
        lambda data: perfdata.parse_output(data, "weight"), (b"OK | load=1.5;2;3;0;9 'weight'=75%\nmore | a=U",)
    ),
    "orca load report": Parser(
        lambda data: orca.utilizations(orca.parse_orca(data), {"queue": 10.0}),
        (b'{"cpu_utilization": 0.5, "namedMetrics": {"queue": 4}}', b"TEXT eps=1,utilization.disk=0.5"),
    ),
    "agent words": Parser(
        lambda data: agent_words.parse(data.decode("latin-1")).ratio(100),
        (b"up 75%, maxconn:30 #fine", b"READY\tweight:30,drain"),
    ),
    "D-Bus": Parser(dbus.parse_message, (dbus.pack_call(1, "a", "/b", "c", "d", "e"),)),
    "exposition": Parser(
        lambda data: exposition.values_of(data, exposition.parse_series('up{a=~".*"}')),
        (b'# TYPE up gauge\nup{a="1",b="\\"",} 5 1395066363000 # {c="2"} 1\nup 3\n', b"up NaN\nup 1e3\n"),
    ),
    "socket diagnosis": Parser(lambda data: [*map(sockdiag.parse_queue, sockdiag.parse_answer(data)[0])]),
    "certificate": Parser(lambda data: (certificate.not_after(data), certificate.parse(data)), (NAMED,)),
    "ocsp response": Parser(ocsp.parse, (response(single(b"\x12", end=b"20300101000000Z")), response(outcome=b"\x06"))),
    "tls first flight": Parser(
        lambda data: tls_hello.Handshake().feed(int.from_bytes(data[:1]), data[1:]),
        (bytes.fromhex("16 02000002 0303 0b000006 000003 000000 16000004 01 000000 0e000000"), bytes.fromhex("150228")),
    ),
    "grpc health": Parser(
        grpc_health.read_response,
        (bytes.fromhex("00 00000002 0801"), bytes.fromhex("00 0000000f 1203616263 1501020304 10ac02 0802")),
    ),
    "dns answer": Parser(
        lambda data: dns_message.read_answer(_WWW, bytes(2), bytes(2) + data),
        (
            bytes.fromhex("84000001000100000000") + _WWW.query[10:] + bytes.fromhex("c00c00010001000000000004c0000201"),
            bytes.fromhex("80000001000100000000") + _WWW.query[10:] + bytes.fromhex("c00c000500010000000000040161c010"),
            bytes.fromhex("80050001000000000001")
            + _WWW.query[10:]
            + bytes.fromhex("00002904d0000000000007000300036e7331"),
        ),
    ),
    "ntp packet": Parser(
        lambda data: ntp_packet.nonce_in(data) and ntp_packet.read_reply(data),
        (bytes.fromhex("2402").ljust(40, b"\0") + b"12345678",),
    ),
    "rpc record": Parser(lambda data: rpc_message.fragment(data[:4]), (b"\x80\0\0\x04", b"\0\0\0\x04")),
    "port mapper list": _rpc(
        lambda reader: rpcbind.read_dump(2, reader), xdr.uint(1, 100003, 3, 6, 2049, 1, 100005, 1, 17, 635, 0)
    ),
    "rpcbind list": _rpc(
        lambda reader: rpcbind.read_dump(4, reader),
        xdr.uint(1, 100003, 4) + xdr.string("tcp6") + xdr.string("::.8.1") + xdr.string("superuser") + xdr.uint(0),
    ),
    "rstatd statistics": _rpc(rstat.read_stats, xdr.uint(*range(18), 256, 0, 0)),
    "snmp response": Parser(
        lambda data: snmp_message.read_response(data, 7),
        (
            bytes.fromhex(
                "302a020101 0400 a223 020107 020100 020100 3018 3009 06042b060101 020105 300b 06042b060102 4103ffffff"
            ),
        ),
    ),
    "agent-check line": Parser(
        lambda data: report.encode(feed_agent_check.report_of(feed_agent_check.after(_HEARD, data.decode("latin-1")))),
        (b"up ready 75%", b"down #the disk is full", b"drain,weight:30"),
    ),
    "what a command prints": Parser(
        lambda data: host_text.read(
            data, host_text.Reading(1.0, (1, 2, 3, 4), {"cpu": 5}), 2.0, 100.0, {"cpu", "memory", "load", "pressure"}
        ),
        (
            b"cpu  10 0 0 90 0\ncpu0 10 0 0 90 0\nMemTotal: 9 kB\nMemAvailable: 3 kB\n0.50 0.40 0.30 1/2 3\n",
            b"/proc/pressure/cpu:some avg10=0.00 total=9\ncpu  10 0 0 90\n",
            b'{"metrics": {"cpu": 0.5}, "state": "down"}',
            b"OK | load=1.5;2;3;0;9",
        ),
    ),
    "mount": _rpc(mount3.read_mnt, xdr.uint(0) + xdr.opaque(b"handle") + xdr.uints(1, 390003)),
    "nfs 3 attributes": _rpc(nfs3.read_getattr, xdr.uint(0, 2) + bytes(80)),
    "nfs 3 space": _rpc(nfs3.read_fsstat, xdr.uint(0, 1, 2) + bytes(80) + b"\x11" * 52, xdr.uint(0, 0) + bytes(52)),
    "nfs 4 root": _rpc(
        lambda reader: nfs4.read_root(nfs4.Results(reader), nfs4.to_root(("srv",))),
        xdr.uint(0, 0, 4, 24, 0, 15, 0, 10, 0)
        + xdr.opaque(b"handle")
        + xdr.uint(9, 0)
        + xdr.uints(0, 0x1400)
        + xdr.opaque(bytes(16)),
    ),
    "nfs 4 client": _rpc(nfs4.read_exchange_id, bytes(40)),
    "ftp reply": Parser(
        _ftp_reply,
        (
            b"220-Welcome\r\n230 you\r\n220 ready\r\n",
            b"211-Features:\r\n MLST type*;size*;\r\n REST STREAM\r\n211 End\r\n",
            b"227 Entering Passive Mode (192,0,2,11,19,137).\r\n",
            b"229 Entering Extended Passive Mode (|||5001|)\r\n",
        ),
    ),
    "mysql handshake": Parser(
        mysql_packet.read_handshake,
        (
            b"\x0a8.0.36\0" + bytes(13) + b"\xff\xff\xff\2\0\xff\xdf\x15" + bytes(23) + b"caching_sha2_password\0",
            b"\xff\x10\x04Too many connections",
        ),
    ),
    "mysql login": Parser(
        mysql_packet.read_login, (b"\0\0\0\2\0", b"\xff\x15\4#28000no", b"\xfemysql_native_password\0nonce\0", b"\1\3")
    ),
    "mysql answer": Parser(mysql_packet.read_answer, (b"\0\0\0\2\0", b"\xfc\x2c\1")),
    "mysql column": Parser(mysql_packet.column_name, (b"\x03def\0\0\0\x01a\x01a\x0c" + bytes(12),)),
    "mysql row": Parser(
        lambda data: (mysql_packet.refusal_in(data[1:]), mysql_packet.read_row(data[1:], data[0] if data else 0)),
        (b"\4\x01a\xfb\0\xfc\x03\0abc",),
    ),
    "postgresql message": Parser(
        _postgresql_message,
        (
            b"E\0\0\0\x2dSFATAL\0VFATAL\0C57P03\0Mstarting up\0\0",
            b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0",
            b"S\0\0\0\x18server_version\x0015.6\0",
            b"D\0\0\0\x0f\0\2\0\0\0\1t\xff\xff\xff\xff",
        ),
    ),
    "scram challenge": Parser(lambda data: scram.proof(_SCRAM_OPENING, "pencil", data), (b"r=AAAAmore,s=AAAA,i=2",)),
    "fastcgi answer": Parser(
        _fastcgi,
        (bytes.fromhex("0106000100120600") + b"Status: 404 no\r\n\r\n" + bytes(6) + b"\1\3\0\1\0\x08\0\0" + bytes(8),),
    ),
    "postfix queue": Parser(
        lambda data: postfix_queue.QueueCounter().feed(data),
        (b"protocol\0mail_queue_list_protocol\0\0queue_name\0active\0queue_id\x004F\0sender\0\0\0\0",),
    ),
    "redis answer": Parser(_resp, (b"+PONG\r\n", b"-NOAUTH no\r\n", b":1\r\n", b"$13\r\nrole:master\r\n\r\n")),
    "smtp reply": Parser(
        _smtp_reply,
        (
            b"250-mail.example.com\r\n250-SIZE 1000\r\n250 AUTH PLAIN LOGIN\r\n",
            b"550-5.1.1 No such user\r\n550 5.1.1 here\r\n",
        ),
    ),
    "sip response": Parser(
        lambda data: (sip_message.read_response(data), sip_message.body_length(data)),
        (b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;\r\n branch=z9hG4bK1\r\ni: 1\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n",),
    ),
    "mqtt acknowledgement": Parser(
        lambda data: mqtt_packet.read_connack(mqtt_packet.Packet(mqtt_packet.CONNACK, 0, data), 5),
        (b"\0\0\x03\x21\0\x14", b"\0\0\0"),
    ),
    "mqtt message": Parser(
        lambda data: mqtt_packet.read_publish(mqtt_packet.Packet(mqtt_packet.PUBLISH, 1, data), 5),
        (b"\0\x03a/b\x02\x01\x01hello",),
    ),
    "ldap message": Parser(
        _ldap_message,
        (
            bytes.fromhex("300c02010161070a010004000400"),
            bytes.fromhex("301502010264100400300c300a0402636e310404026162"),
            bytes.fromhex("300c020102730704056c6461703a"),
            bytes.fromhex("3024020100781f0a0134040004008a16312e332e362e312e342e312e313436362e3230303336"),
        ),
    ),
    "radius packet": Parser(
        lambda data: radius_packet.read_answer(data, _RADIUS_ASKED),
        (radius_server.answer(_RADIUS_ASKED.packet, 2, b"secret", signed=True),),
    ),
    "radius attributes": Parser(_radius_answer, (b"\x12\x07Hello", b"\x06\x06\0\0\0\1\x12\4ab")),
    "amqp start": Parser(
        lambda data: amqp_frame.read_start(amqp_frame.Reader(data)),
        (b"\0\x09\0\0\0\x11\x07productS\0\0\0\x04abcd\0\0\0\x05PLAIN\0\0\0\x05en_US",),
    ),
    "amqp close": Parser(
        lambda data: amqp_frame.read_close(amqp_frame.Reader(data)).failure(), (b"\x01\x93\x06ACCESS\0\x0a\0\x0b",)
    ),
    "icmp echo": Parser(
        lambda data: echo.reply(Family.IPV4, echo.without_ip_header(data), None),
        (b"\x45" + bytes(27) + b"data", bytes(8) + b"data"),
    ),
    "http answer": Parser(
        _http_answer,
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
            b"HTTP/1.0 404 Not Found\n\nnothing",
        ),
    ),
    "http redirect": Parser(_http_redirect, (b"../new?x=y#z", b"http://user@[2001:db8::1]:80//x", b"//other.example")),
    "json body": Parser(
        _json_body, (b'{"nodes": [{"state": "up", "load": 0.5}], "error": null}', b'"\\u00e9\\ud83d\\ude00"')
    ),
}
