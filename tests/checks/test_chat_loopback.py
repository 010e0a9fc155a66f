"""The `chat` check against a mail server in miniature: whole dialogues, with TLS or without, and broken ones."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from feedback.checks.chat import ChatCheck, Step
from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.peers import check_once, tcp_peer
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""


class MailServer:
    """Speaks as much SMTP (RFC 5321, RFC 3207) as a check asks for, to one client after the other."""

    def __init__(self, listening: socket.socket, context: ssl.SSLContext, *, tls: bool) -> None:
        self.heard: list[bytes] = []
        self._listening = listening
        self._context = context
        self._tls = tls

    def serve(self) -> None:
        """Serve until the listening socket is shut down."""
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            connection.settimeout(10)
            with contextlib.suppress(OSError), connection:  # a client may go at any time
                if self._tls:
                    connection = self._wrap(connection)
                with connection:
                    self._speak(connection)

    def _wrap(self, connection: socket.socket) -> ssl.SSLSocket:
        return self._context.wrap_socket(connection, server_side=True)

    def _speak(self, connection: socket.socket) -> None:
        connection.sendall(b"220-mail.example.com ESMTP\r\n220 ready\r\n")
        while line := _line(connection):
            self.heard.append(line)
            if line == b"STARTTLS\r\n":
                connection.sendall(b"220 go ahead\r\n")
                with self._wrap(connection) as wrapped:
                    return self._speak_on(wrapped)
            self._answer(connection, line)
        return None

    def _speak_on(self, wrapped: ssl.SSLSocket) -> None:
        while line := _line(wrapped):
            self.heard.append(line)
            self._answer(wrapped, line)

    @staticmethod
    def _answer(connection: socket.socket, line: bytes) -> None:
        if line.startswith(b"EHLO"):
            connection.sendall(b"250-mail.example.com\r\n250-SIZE 1000\r\n250 STARTTLS\r\n")
        else:
            connection.sendall(b"221 bye\r\n" if line == b"QUIT\r\n" else b"500 what?\r\n")


def _line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            return b""
        line += byte
    return line


@contextlib.contextmanager
def mail(authority: Authority, *, tls: bool = False) -> Iterator[tuple[Endpoint, MailServer]]:
    """Serve within the block, in a thread."""
    pair = authority.issue("mail-tls" if tls else "mail", "DNS:mail.example.com,IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with peers.listener() as listening:
        server = MailServer(listening, context, tls=tls)
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield peers.endpoint_of(listening), server
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


GREETING = [Step(expect_regex="^220 "), Step(send="EHLO lvs1\r\n"), Step(expect_regex="^250 ")]


async def test_a_dialogue_passes_and_ends_politely(authority: Authority) -> None:
    with mail(authority) as (endpoint, server):
        result = await check_once(ChatCheck(steps=GREETING, quit="QUIT\r\n"), endpoint)
        await peers.until(lambda: len(server.heard) >= 2)
    assert result == (Outcome.PASS, "", 'saw "250 STARTTLS"')
    assert server.heard == [b"EHLO lvs1\r\n", b"QUIT\r\n"]


@pytest.mark.parametrize("sni", [None, "mail.example.com"])
async def test_a_dialogue_goes_on_in_tls(authority: Authority, sni: str | None) -> None:
    steps = [*GREETING, Step(send="STARTTLS\r\n"), Step(expect_regex="^220 "), Step(starttls=True)]
    again = [Step(send="EHLO secret\r\n"), Step(expect="SIZE 1000"), Step(expect_hex="0d0a")]
    with mail(authority) as (endpoint, server):
        check = ChatCheck(steps=[*steps, *again], quit="QUIT\r\n", ca_file=authority.ca_file, sni=sni)
        outcome, reason, _ = await check_once(check, endpoint)
        await peers.until(lambda: len(server.heard) >= 4)
    assert (outcome, reason) == (Outcome.PASS, "")
    assert server.heard == [b"EHLO lvs1\r\n", b"STARTTLS\r\n", b"EHLO secret\r\n", b"QUIT\r\n"]


async def test_a_dialogue_may_be_in_tls_from_the_start(authority: Authority) -> None:
    with mail(authority, tls=True) as (endpoint, _):
        check = ChatCheck(steps=GREETING, tls=True, ca_file=authority.ca_file)
        result = await check_once(check, endpoint)
    assert result == (Outcome.PASS, "", 'saw "250 STARTTLS", certificate expires in 29 days')


@pytest.mark.parametrize("sni", [None, "other.example.com"])
async def test_a_certificate_that_is_not_trusted_or_of_another_name_fails(
    authority: Authority, sni: str | None
) -> None:
    steps = [*GREETING, Step(send="STARTTLS\r\n"), Step(expect="go ahead"), Step(starttls=True)]
    with mail(authority) as (endpoint, _):
        check = ChatCheck(steps=steps, sni=sni, ca_file=None if sni is None else authority.ca_file)
        outcome, reason, detail = await check_once(check, endpoint)
        assert (outcome, reason) == (Outcome.FAIL, "tls")
        assert detail.startswith("step 6, starttls: certificate of ")
        assert (await check_once(ChatCheck(steps=steps, verify=False), endpoint))[0] is Outcome.PASS


async def test_tls_to_a_port_that_greets_in_plain_fails(authority: Authority) -> None:
    with mail(authority) as (endpoint, _):
        outcome, reason, _ = await check_once(ChatCheck(steps=GREETING, tls=True, verify=False), endpoint)
        assert (outcome, reason) == (Outcome.FAIL, "tls")


async def test_what_does_not_come_fails_at_the_deadline_with_the_step_and_what_came(authority: Authority) -> None:
    with mail(authority) as (endpoint, server):
        check = ChatCheck(steps=[*GREETING[:2], Step(expect="299")], quit="QUIT\r\n")
        outcome, reason, detail = await check_once(check, endpoint, SOON_SECONDS)
        await peers.until(lambda: b"QUIT\r\n" in server.heard)
    assert (outcome, reason) == (Outcome.FAIL, "timeout")
    assert detail.startswith('step 3, expect "299", got "')
    assert detail.endswith("within 0.3 s")


async def test_a_peer_that_hangs_up_in_the_middle_fails() -> None:
    async with tcp_peer(_hang_up) as endpoint:
        outcome, reason, detail = await check_once(ChatCheck(steps=GREETING, quit="QUIT\r\n"), endpoint)
    assert (outcome, reason) == (Outcome.FAIL, "closed")
    assert detail.startswith("step 3, expect_regex ")


async def _hang_up(connection: socket.socket) -> None:
    await peers.say(connection, b"220 ready\r\n")
    await peers.hear(connection)
    connection.shutdown(socket.SHUT_WR)
    await peers.hear(connection)


async def test_a_peer_that_greets_only_whoever_speaks_is_spoken_to() -> None:
    async with tcp_peer(peers.answering(b"\x00\xffpong")) as endpoint:
        steps = [Step(send_hex="0001"), Step(expect_hex="00ff"), Step(expect="pong")]
        assert (await check_once(ChatCheck(steps=steps), endpoint))[0] is Outcome.PASS
