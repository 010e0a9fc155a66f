"""How each check is measured: on which server of the tests, and with which options. A check is one line of CASES."""

import contextlib
import shlex
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from feedback.checks.codecs import xdr
from feedback.model import Endpoint
from tests.checks.nginx import PLACES, nginx
from tests.checks.rpc_scripts import listed, reply
from tests.checks.servers import dovecot, dovecot_delivery, freeradius, mosquitto, process, rabbitmq, slapd
from tests.checks.servers.aiohttp_server import websocket_server
from tests.checks.servers.chronyd import chronyd
from tests.checks.servers.ganesha import ganesha
from tests.checks.servers.grpcio import grpc_server
from tests.checks.servers.kamailio import kamailio
from tests.checks.servers.mariadbd import mariadbd
from tests.checks.servers.memcached import memcached
from tests.checks.servers.named import named, zone
from tests.checks.servers.postfix import postfix
from tests.checks.servers.postgres import ADMIN, made_cluster
from tests.checks.servers.public_inbox import public_inbox
from tests.checks.servers.redis_server import redis_server
from tests.checks.servers.rtsp_server import rtsp_server
from tests.checks.servers.sshd import sshd
from tests.checks.servers.vsftpd import tls, vsftpd
from tests.checks.tls_files import Authority, Pair

Server = Callable[[Path, Authority], AbstractContextManager[Mapping[str, Endpoint]]]

NFS_PROGRAM, NFS_VERSION = 100003, 4


class Case(msgspec.Struct, frozen=True):
    """What to check: a server of those below, which of its endpoints, and options as `feedback check` takes them.

    In the options stand {ca_file}, which knows the server's certificate, and {port}.
    """

    server: Server
    at: str
    options: str = ""

    def words(self, port: int, ca_file: str) -> list[str]:
        """Return the options with what stands for the braces."""
        return [word.replace("{port}", str(port)).replace("{ca_file}", ca_file) for word in shlex.split(self.options)]

    def shown(self) -> str:
        """Return the names of the options, without those that only a server of tests needs."""
        names = (word.partition("=")[0] for word in shlex.split(self.options))
        return " ".join(name for name in names if name not in {"ca_file", "port"})


def _here(**ports: int) -> dict[str, Endpoint]:
    return {name: Endpoint("127.0.0.1", port) for name, port in ports.items()}


def _pair(authority: Authority, server: str) -> Pair:
    return authority.issue(server, "DNS:localhost,IP:127.0.0.1")


def _files(pair: Pair) -> str:
    """Return nginx's settings for TLS."""
    return f"ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key}; ssl_protocols TLSv1.2 TLSv1.3;"


@contextlib.contextmanager
def host(_directory: Path, _authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    """Start nothing: for what needs no server."""
    yield _here(alone=0)


@contextlib.contextmanager
def web(directory: Path, authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    servers = {
        "http": f"server {{ listen {{listen}}; {PLACES} }}",
        "https": f"server {{ listen {{listen}} ssl; {_files(_pair(authority, 'web'))} {PLACES} }}",
    }
    with nginx(directory, servers) as endpoints:
        yield endpoints


@contextlib.contextmanager
def sockets(directory: Path, authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    pair, port = _pair(authority, "sockets"), process.free_port()
    upgrade = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
    places = f"location / {{ proxy_pass http://127.0.0.1:{port}; {upgrade} }}"
    with (
        websocket_server(directory / "websocket", port),
        nginx(directory / "nginx", {"wss": f"server {{ listen {{listen}} ssl; {_files(pair)} {places} }}"}) as proxy,
    ):
        yield {**_here(websocket=port), **proxy}


@contextlib.contextmanager
def mail(directory: Path, authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    pair, smtp, auth = _pair(authority, "mail"), process.free_port(), process.free_port()
    with (
        dovecot_delivery.dovecot_delivery(directory, pair, auth, smtp) as delivery,
        postfix(pair, pair, smtp, auth) as server,
    ):
        yield _here(smtp=smtp, smtps=server.ports["smtps"], lmtp=delivery.lmtp)


@contextlib.contextmanager
def mailbox(directory: Path, authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with dovecot.dovecot(directory, _pair(authority, "mailbox")) as server:
        yield _here(imap=server.imap, imaps=server.imaps, pop3=server.pop3, pop3s=server.pop3s)


@contextlib.contextmanager
def news(directory: Path, authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with public_inbox(directory, _pair(authority, "news")) as server:
        yield _here(nntp=server.nntp, nntps=server.nntps)


@contextlib.contextmanager
def files(directory: Path, authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    in_tls = {**tls(_pair(authority, "files")), "implicit_ssl": "YES"}
    with vsftpd(directory / "ftp") as ftp, vsftpd(directory / "ftps", settings=in_tls) as ftps:
        yield {"ftp": ftp.endpoint, "ftps": ftps.endpoint}


@contextlib.contextmanager
def names(directory: Path, _authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with named(directory, {"example.net": zone(1, "ns1 A 192.0.2.1\n")}) as (endpoint, _):
        yield {"dns": endpoint}


@contextlib.contextmanager
def time(directory: Path, _authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with chronyd(directory) as (endpoint, _):
        yield {"ntp": endpoint}


@contextlib.contextmanager
def exports(directory: Path, _authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with ganesha(directory, "0, 1") as (nfs, _), _rpcbind(nfs.port) as rpcbind:
        yield {"nfs": nfs, "rpcbind": rpcbind}


@contextlib.contextmanager
def _rpcbind(nfs_port: int) -> Iterator[Endpoint]:
    """List NFS by UDP, on any port: a real rpcbind insists on 111."""
    address = f"0.0.0.0.{nfs_port >> 8}.{nfs_port & 255}"
    list_of_one = listed((NFS_PROGRAM, NFS_VERSION, "udp", address))

    def serve() -> None:
        while True:
            call, sender = bound.recvfrom(512)
            if not call:
                return
            bound.sendto(reply(list_of_one, xdr.Reader(call).uint()), sender)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        server = threading.Thread(target=serve)
        server.start()
        try:
            yield Endpoint(*bound.getsockname())
        finally:
            bound.sendto(b"", bound.getsockname())
            server.join()


@contextlib.contextmanager
def films(directory: Path, _authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with rtsp_server(directory) as (endpoint, _):
        yield {"rtsp": endpoint}


@contextlib.contextmanager
def cache(directory: Path, _authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with memcached(directory / "memcached") as (port, _), redis_server(directory / "redis") as (redis, _):
        yield _here(memcached=port, redis=redis)


@contextlib.contextmanager
def mysql(directory: Path, _authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with mariadbd(directory, ["CREATE USER monitor@'%' IDENTIFIED BY 'secret'"]) as (port, _):
        yield _here(mysql=port)


@contextlib.contextmanager
def postgresql(_directory: Path, _authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    access = f"host all {ADMIN} all trust\nhost all monitor all scram-sha-256\n"
    with made_cluster(["CREATE USER monitor PASSWORD 'secret'"], access, "") as cluster, cluster.running() as (port, _):
        yield _here(postgresql=port)


@contextlib.contextmanager
def people(directory: Path, authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with slapd.slapd(directory, _pair(authority, "people")) as server:
        yield _here(ldap=server.port, ldaps=server.tls_port)


@contextlib.contextmanager
def radius(directory: Path, _authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with freeradius.freeradius(directory) as (endpoint, _, _):
        yield {"radius": endpoint}


@contextlib.contextmanager
def calls(directory: Path, authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with kamailio(directory, _pair(authority, "calls")) as server:
        yield _here(sip=server.port)


@contextlib.contextmanager
def messages(directory: Path, authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with mosquitto.mosquitto(directory, _pair(authority, "messages")) as server:
        yield _here(mqtt=server.open, mqtts=server.tls)


@contextlib.contextmanager
def queues(directory: Path, authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    with rabbitmq.rabbitmq(directory, _pair(authority, "queues")) as server:
        yield _here(amqp=server.port, amqps=server.tls_port)


@contextlib.contextmanager
def procedures(directory: Path, authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    ports = (process.free_port(), process.free_port(), process.free_port())
    with grpc_server(directory, _pair(authority, "procedures"), ports):
        yield _here(grpc=ports[0], grpcs=ports[1])


@contextlib.contextmanager
def shell(directory: Path, _authority: Authority) -> Iterator[Mapping[str, Endpoint]]:
    directory.mkdir()
    with sshd(directory) as server:
        yield _here(ssh=server.port)


CA = "ca_file={ca_file}"
SECRET = "user=monitor password=secret"
MAILBOX = f"user=user password={shlex.quote(dovecot.PASSWORD)}"
MAIL = f"user={dovecot_delivery.USER} password={shlex.quote(dovecot_delivery.PASSWORD)}"
QUEUES = f"user={rabbitmq.USER} password={rabbitmq.PASSWORD}"
BROKER = f"user={mosquitto.USER} password={mosquitto.PASSWORD}"
TURNS = r"""'steps=[{expect: "220 "}, {send: "QUIT\r\n"}, {expect: "221 "}]'"""
QUESTION = "send_hex=000101000001000000000000076578616d706c65036e65740000060001 expect_hex=0001"  # SOA example.net

CASES: Mapping[str, Case] = {
    "amqp": Case(queues, "amqp"),
    "amqps": Case(queues, "amqps", f"{QUEUES} {CA}"),
    "chat": Case(mail, "smtp", TURNS),
    "dns": Case(names, "dns", "query_name=example.net"),
    "exec": Case(host, "alone", "command=[/bin/true]"),
    "ftp": Case(files, "ftp"),
    "ftps": Case(files, "ftps", CA),
    "grpc": Case(procedures, "grpc"),
    "grpcs": Case(procedures, "grpcs", CA),
    "http": Case(web, "http"),
    "https": Case(web, "https", CA),
    "icmp": Case(host, "alone"),
    "imap": Case(mailbox, "imap", MAILBOX),
    "imaps": Case(mailbox, "imaps", f"{MAILBOX} {CA}"),
    "ldap": Case(people, "ldap"),
    "ldaps": Case(people, "ldaps", CA),
    "lmtp": Case(mail, "lmtp"),
    "memcached": Case(cache, "memcached"),
    "mqtt": Case(messages, "mqtt"),
    "mqtts": Case(messages, "mqtts", f"{BROKER} {CA}"),
    "mysql": Case(mysql, "mysql", SECRET),
    "nfs": Case(exports, "nfs"),
    "nntp": Case(news, "nntp"),
    "nntps": Case(news, "nntps", CA),
    "ntp": Case(time, "ntp"),
    "pop3": Case(mailbox, "pop3", MAILBOX),
    "pop3s": Case(mailbox, "pop3s", f"{MAILBOX} {CA}"),
    "postgresql": Case(postgresql, "postgresql", f"{SECRET} database=postgres"),
    "radius": Case(radius, "radius", f"secret={freeradius.SECRET}"),
    "redis": Case(cache, "redis"),
    "rpc": Case(exports, "rpcbind", "programs=[nfs] transport=udp port={port}"),
    "rtsp": Case(films, "rtsp"),
    "sip": Case(calls, "sip"),
    "smtp": Case(mail, "smtp"),
    "smtps": Case(mail, "smtps", f"{MAIL} {CA}"),
    "ssh": Case(shell, "ssh"),
    "tcp": Case(web, "http"),
    "tls": Case(web, "https", CA),
    "udp": Case(names, "dns", QUESTION),
    "websocket": Case(sockets, "websocket", "path=/chat"),
    "wss": Case(sockets, "wss", f"path=/chat {CA}"),
}
