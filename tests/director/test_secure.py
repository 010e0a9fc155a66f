"""TLS between real ends on loopback: who is let in, as whom, and for how long."""

import asyncio
import os
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType

from feedback.agent.config import TlsFiles
from feedback.agent.connection import StreamConnection
from feedback.agent.enrol import enrol
from feedback.agent.secure import Secure, files_in, make_context
from feedback.agent.secure import TlsError as AgentTlsError
from feedback.agent.url import parse_director_url
from feedback.agent.websocket import LostError, RefusedError
from feedback.director import listen
from feedback.director.config import TlsConfig
from feedback.director.link import Refusal
from feedback.director.secure import Tls, TlsError
from feedback.director.watch import keep_secure
from feedback.errors import EnrolmentError, WireError
from feedback.model import AgentState
from feedback.pki.store import Store
from feedback.report import Hello, Renewed, Report, decode_director_frame, encode
from feedback.secret import Secret
from tests.checks.tls_files import Authority
from tests.director.served import Served, served, until
from tests.pki.authority_made import DAY, Clock, enrolled

pytestmark = pytest.mark.loopback

TOKEN = Secret("a-token-of-some-length")


@pytest.fixture
def clock() -> Clock:
    """It may go back, and forward to the present: OpenSSL has a clock of its own."""
    return Clock(time.time())


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Store:
    store = Store(tmp_path / "pki", clock)
    store.create(["lvs1", "127.0.0.1"], 90 * DAY)
    return store


@pytest.fixture
def tls(store: Store, clock: Clock) -> Tls:
    return Tls(TlsConfig(directory=str(store.directory)), clock)


async def connect(director: Served, secure: Secure, name: str = "rs1") -> StreamConnection:
    connection = await StreamConnection.open(
        parse_director_url(director.url.replace("http", "ws") + "/agent"), None, secure
    )
    await connection.send(encode(Hello(name)))
    return connection


def state(director: Served, name: str = "rs1") -> AgentState:
    return director.agents.view(name, director.now()).state


async def hear(connection: StreamConnection) -> bytes:
    """Return the first message that comes."""
    async with asyncio.timeout(5):
        while not (messages := await connection.receive()):
            pass
    return messages[0]


async def why_not(work: Awaitable[StreamConnection]) -> WireError:
    """Return why there is no connection, or soon none any more."""
    with pytest.raises(WireError) as raised:
        await hear(await work)
    return raised.value


async def test_an_agent_speaks_for_the_name_in_its_certificate(store: Store, tls: Tls, tmp_path: Path) -> None:
    secure = Secure(enrolled(store, tmp_path / "rs1", "rs1", "mail"))
    async with served(tls=tls) as director:
        connection = await connect(director, secure)
        await connection.send(encode(Report({"cpu": 0.5})))
        await until(lambda: director.agents.view("rs1", director.now()).metrics == {"cpu": 0.5})
        assert director.handshakes_refused == []
        connection.abort()


async def test_no_host_can_speak_for_another(store: Store, tls: Tls, tmp_path: Path) -> None:
    secure = Secure(enrolled(store, tmp_path / "rs1", "rs1"))
    async with served(tls=tls) as director:
        error = await why_not(connect(director, secure, "rs2"))
        assert isinstance(error, RefusedError)
        assert str(error).endswith('code 1008: its certificate is for rs1, and not for agent "rs2"')
        assert state(director, "rs2") is AgentState.ABSENT
        assert director.agents.refused == {Refusal.NAME: 1}


async def test_without_a_certificate_one_may_read_and_nothing_else(store: Store, tls: Tls) -> None:
    context = ssl.create_default_context(cafile=str(store.authority_file))
    async with served(token=TOKEN, tls=tls) as director:
        status, _ = await director.ask("GET", "/api/v1/services", ssl=context)
        assert status == 200
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await director.session.ws_connect(
                director.url + "/agent", ssl=context, headers={"Authorization": f"Bearer {TOKEN.reveal()}"}
            )
        assert director.agents.refused == {Refusal.CERTIFICATE: 1}


async def test_another_authority_s_certificate_is_refused_in_the_handshake(
    store: Store, tls: Tls, tmp_path: Path
) -> None:
    other = Store(tmp_path / "other")
    other.create(["lvs9"], DAY)
    files = enrolled(other, tmp_path / "rs1", "rs1")
    (tmp_path / "rs1" / "ca.pem").write_bytes(store.authority_file.read_bytes())
    async with served(tls=tls) as director:
        error = await why_not(connect(director, Secure(files)))
        assert isinstance(error, LostError)
        await until(lambda: len(director.handshakes_refused) == 1)
        assert director.handshakes_refused[0].startswith("its certificate is refused: ")


async def test_another_director_is_not_believed(tls: Tls, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    other.create(["127.0.0.1"], DAY)
    async with served(tls=tls) as director:
        error = await why_not(connect(director, Secure(enrolled(other, tmp_path / "rs1", "rs1"))))
        assert str(error).startswith("can't connect: the director's certificate is refused: ")


async def test_a_director_under_another_name_is_not_believed(tmp_path: Path) -> None:
    store = Store(tmp_path / "pki")
    store.create(["lvs1", "10.9.9.9"], DAY)
    async with served(tls=Tls(TlsConfig(directory=str(store.directory)))) as director:
        error = await why_not(connect(director, Secure(enrolled(store, tmp_path / "rs1", "rs1"))))
        assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in str(error)


async def test_an_agent_s_certificate_is_no_director_s(store: Store, tmp_path: Path) -> None:
    agent = enrolled(store, tmp_path / "evil", "127.0.0.1", "rs1")
    config = TlsConfig(certificate=agent.certificate, key=agent.key, ca=agent.ca)
    async with served(tls=Tls(config)) as director:
        error = await why_not(connect(director, Secure(enrolled(store, tmp_path / "rs1", "rs1"))))
        assert "the director's certificate is refused: " in str(error)


async def test_an_expired_certificate_is_refused_in_words(tls: Tls, store: Store, tmp_path: Path, clock: Clock) -> None:
    clock.now -= 100 * DAY
    secure = Secure(enrolled(store, tmp_path / "rs1", "rs1"))
    clock.now += 100 * DAY
    async with served(tls=tls) as director:
        error = await why_not(connect(director, secure))
        assert "its log says whether it refuses this agent's certificate" in str(error)
        await until(lambda: director.handshakes_refused == ["its certificate is refused: certificate has expired"])


async def test_a_certificate_that_expires_on_a_connection_ends_it(
    store: Store, tls: Tls, tmp_path: Path, clock: Clock
) -> None:
    secure = Secure(enrolled(store, tmp_path / "rs1", "rs1"))
    async with served(tls=tls) as director:
        connection = await connect(director, secure)
        await until(lambda: state(director) is AgentState.CONNECTED)
        clock.now += 91 * DAY
        await director.receiver.review()
        with pytest.raises(LostError, match="code 1013: its certificate has expired"):
            await hear(connection)
        assert director.agents.refused == {Refusal.CERTIFICATE: 1}


async def test_what_is_revoked_is_cut_off_and_comes_back_with_a_new_certificate(
    store: Store, tls: Tls, tmp_path: Path, clock: Clock
) -> None:
    secure = Secure(enrolled(store, tmp_path / "rs1", "rs1"))
    async with served(tls=tls) as director:
        connection = await connect(director, secure)
        await until(lambda: state(director) is AgentState.CONNECTED)
        store.revoke("rs1")
        assert tls.refresh()
        await director.receiver.review()
        with pytest.raises(LostError, match="code 1013: the certificate of rs1 is revoked"):
            await hear(connection)
        error = await why_not(connect(director, secure))
        assert isinstance(error, RefusedError)
        assert "HTTP status 403: the certificate of rs1 is revoked" in str(error)
        clock.now += 1
        again = await connect(director, Secure(enrolled(store, tmp_path / "again", "rs1")))
        await until(lambda: state(director) is AgentState.CONNECTED)
        again.abort()


async def test_a_certificate_is_renewed_over_the_connection_for_the_same_key_and_names(
    store: Store, tls: Tls, tmp_path: Path, clock: Clock
) -> None:
    clock.now -= 61 * DAY
    files = enrolled(store, tmp_path / "rs1", "rs1", "mail")
    secure = Secure(files)
    async with served(tls=tls) as director:
        connection = await connect(director, secure)
        await until(lambda: state(director) is AgentState.CONNECTED)
        await director.receiver.review()  # not due yet
        clock.now += 61 * DAY
        await director.receiver.review()
        await director.receiver.review()  # once is enough
        frame = decode_director_frame(await hear(connection))
        assert isinstance(frame, Renewed)
        assert secure.renew(frame.certificate)
        assert [one.names for one in store.register().issued] == [("rs1", "mail"), ("mail", "rs1")]
        assert not [path for path in (tmp_path / "rs1").iterdir() if path.suffix == ".new"]
        connection.abort()
        await until(lambda: state(director) is AgentState.ABSENT)
        again = await connect(director, secure)
        await until(lambda: state(director) is AgentState.CONNECTED)
        (served_now,) = director.receiver._connections
        assert served_now.identity is not None
        assert served_now.identity.ends_at == pytest.approx(clock.now + 90 * DAY, abs=1)
        again.abort()


async def test_agents_follow_from_one_authority_to_another_without_a_connection_that_fails(
    store: Store, tls: Tls, tmp_path: Path, clock: Clock
) -> None:
    old = store.authority_file.read_bytes()
    secure = Secure(enrolled(store, tmp_path / "rs1", "rs1"))
    async with served(tls=tls) as director:
        connection = await connect(director, secure)
        for _ in range(3):
            clock.now += 1
            store.roll_over()
            with pytest.raises(EnrolmentError, match="not all agents have followed yet: rs1;"):
                store.roll_over()
            clock.now += 1
            assert tls.refresh()
            await until(lambda: state(director) is AgentState.CONNECTED)
            await director.receiver.review()
            frame = decode_director_frame(await hear(connection))
            assert isinstance(frame, Renewed)
            assert secure.renew(frame.certificate, frame.authorities)
            connection.abort()
            await until(lambda: state(director) is AgentState.ABSENT)
            with pytest.raises(EnrolmentError, match="not all agents have followed yet: rs1;"):
                store.roll_over()  # it has not shown what it was given
            connection = await connect(director, secure)
            await until(lambda: all(one.shown for one in store.register().issued[-1:]))
        await until(lambda: state(director) is AgentState.CONNECTED)
        new = (tmp_path / "rs1" / "ca.pem").read_bytes()
        assert new == store.authority_file.read_bytes()
        assert new != old
        assert new.count(b"BEGIN") == 1
        assert director.handshakes_refused == []
        assert director.agents.refused == {}
        connection.abort()
        # Who trusts the old one alone, knows this director no more
        (tmp_path / "old.pem").write_bytes(old)
        context = ssl.create_default_context(cafile=str(tmp_path / "old.pem"))
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await director.session.get(director.url + "/healthz", ssl=context)


async def test_the_end_of_the_authority_and_of_the_director_s_certificate_are_warned_of_once_and_told(
    store: Store, tls: Tls, clock: Clock
) -> None:
    ends = tls.ends()
    assert ends["director"] == pytest.approx(clock.now + 90 * DAY, abs=1)
    assert ends["authority"] == pytest.approx(clock.now + 3650 * DAY, abs=1)
    assert tls.warnings() == []
    told: list[tuple[str, str]] = []
    async with served(tls=tls) as director:
        context = ssl.create_default_context(cafile=store.authority_file)
        async with director.session.get(director.url + "/metrics", ssl=context) as answer:
            metrics = await answer.text()
        for whose, end in ends.items():
            (line,) = [line for line in metrics.splitlines() if f'_end_seconds{{certificate="{whose}"}}' in line]
            assert float(line.split()[1]) == end
        clock.now += 82 * DAY
        assert [words.partition(": ")[2] for words in tls.warnings()] == [
            "it should have been renewed; feedback pki director NAME|ADDRESS ... does"
        ]
        clock.now += 3300 * DAY
        watching = asyncio.create_task(keep_secure(tls, director.receiver, lambda *one: told.append(one)))
        await until(lambda: len(told) == 2)
        watching.cancel()
    assert {kind for kind, _ in told} == {"warning"}
    assert "feedback pki rollover makes a new one, in three steps" in "".join(words for _, words in told)


async def test_certificates_of_one_s_own_are_warned_of_too(store: Store, clock: Clock) -> None:
    certificate, key = map(str, store.director)
    tls = Tls(TlsConfig(certificate=certificate, key=key), clock)
    clock.now += 82 * DAY
    (warning,) = tls.warnings()
    assert warning.startswith("the director's certificate ends at ")
    assert warning.endswith(": put a new one into its file")
    assert list(tls.ends()) == ["director"]


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_a_host_may_be_enrolled_between_any_steps(store: Store, tls: Tls, tmp_path: Path, steps: int) -> None:
    for _ in range(steps):
        store.roll_over()
    assert tls.refresh()
    token = store.invite(["rs1"], 60.0)
    async with served(tls=tls) as director:
        names = await asyncio.to_thread(enrol, director.url, token, tmp_path / "rs1")
        assert names == ("rs1",)
        connection = await connect(director, Secure(files_in(str(tmp_path / "rs1"))))
        await until(lambda: state(director) is AgentState.CONNECTED)
        connection.abort()


async def test_the_director_renews_its_own_certificate_and_serves_it(store: Store, tls: Tls, clock: Clock) -> None:
    clock.now -= 61 * DAY
    store.name_director(["127.0.0.1", "lvs1"])
    before = store.director[0].read_bytes()
    assert not tls.renew()
    clock.now += 61 * DAY
    assert tls.renew()
    assert store.director[0].read_bytes() != before
    assert tls.refresh()
    assert not tls.refresh()
    context = ssl.create_default_context(cafile=str(store.authority_file))
    async with served(tls=tls) as director:
        _, writer = await asyncio.open_connection("127.0.0.1", director.where.port, ssl=context)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert ssl.DER_cert_to_PEM_cert(shown).encode() == store.director[0].read_bytes()
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        writer.transport.abort()


async def test_older_tls_is_not_spoken(store: Store, tls: Tls) -> None:
    context = ssl.create_default_context(cafile=str(store.authority_file))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with served(tls=tls) as director:
        with pytest.raises(aiohttp.ClientConnectorError):
            await director.session.get(director.url + "/healthz", ssl=context)
        await until(lambda: director.handshakes_refused == ["no TLS: unsupported protocol"])


async def test_who_does_not_shake_hands_is_sent_away(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "HANDSHAKE_SECONDS", 0.05)
    async with served(tls=tls) as director:
        reader, writer = await asyncio.open_connection("127.0.0.1", director.where.port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        await until(lambda: director.handshakes_refused == ["no TLS within 0.05 s"])


async def test_plain_http_on_the_tls_port_is_told_apart(tls: Tls) -> None:
    async with served(tls=tls) as director:
        with pytest.raises(aiohttp.ClientError):
            await director.session.get(f"http://{director.where}/healthz")
        await until(lambda: "no TLS: http request" in director.handshakes_refused)


async def test_changes_without_a_token_come_from_this_host_alone(
    store: Store, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(cafile=str(store.authority_file))
    async with served(tls=tls) as director:
        path = "/api/v1/reload"
        assert (await director.ask("POST", path, ssl=context))[0] == 200
        monkeypatch.setattr("feedback.director.api._comes_from_here", lambda _: False)
        status, answer = await director.ask("POST", path, ssl=context)
        assert (status, answer["error"]) == (
            403,
            "without token_file, changes are taken from the director's own host alone",
        )


# --- certificates from elsewhere


@pytest.fixture
def own(tmp_path: Path) -> Authority:
    directory = tmp_path / "own"
    directory.mkdir()
    return Authority(directory)


async def test_certificates_of_ones_own_work_and_have_names_too(own: Authority) -> None:
    lvs1, rs1 = own.issue("lvs1", "DNS:lvs1,IP:127.0.0.1"), own.issue("host", "DNS:rs1,URI:spiffe://example/rs1")
    tls = Tls(TlsConfig(certificate=str(lvs1.certificate), key=str(lvs1.key), ca=own.ca_file))
    secure = Secure(_files(own, str(rs1.certificate), str(rs1.key)))
    async with served(tls=tls) as director:
        connection = await connect(director, secure)
        await until(lambda: state(director) is AgentState.CONNECTED)
        connection.abort()
        error = await why_not(connect(director, secure, "rs2"))
        assert "its certificate is for host, rs1, spiffe://example/rs1, and not for agent" in str(error)
        assert not tls.renew()


async def test_a_revocation_list_is_heeded_and_read_again_when_it_changes(own: Authority, tmp_path: Path) -> None:
    lvs1, rs1 = own.issue("lvs1", "IP:127.0.0.1"), own.issue("rs1", "DNS:rs1")
    crl = tmp_path / "own" / "list.crl"
    settings = ["-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-crldays", "7", "-md", "sha256"]

    def ca(*words: str) -> None:
        subprocess.run(
            ["openssl", "ca", *settings, *words], cwd=crl.parent, check=True, capture_output=True, timeout=30
        )

    ca("-gencrl", "-out", str(crl))
    config = TlsConfig(certificate=str(lvs1.certificate), key=str(lvs1.key), ca=own.ca_file, crl=str(crl))
    tls = Tls(config)
    secure = Secure(_files(own, str(rs1.certificate), str(rs1.key)))
    async with served(tls=tls) as director:
        connection = await connect(director, secure)
        await until(lambda: state(director) is AgentState.CONNECTED)
        connection.abort()
        ca("-revoke", str(rs1.certificate))
        (crl.parent / "crlnumber").write_text("02\n")
        ca("-gencrl", "-out", str(crl))
        os.utime(crl, ns=(time.time_ns(), time.time_ns()))
        assert tls.refresh()
        error = await why_not(connect(director, secure))
        assert isinstance(error, LostError)
        await until(lambda: director.handshakes_refused == ["its certificate is refused: certificate revoked"])


async def test_without_an_authority_for_agents_the_token_says_who_is_one(own: Authority) -> None:
    lvs1 = own.issue("lvs1", "IP:127.0.0.1")
    tls = Tls(TlsConfig(certificate=str(lvs1.certificate), key=str(lvs1.key)))
    secure = Secure(_files(own, None, None))
    async with served(token=TOKEN, tls=tls) as director:
        error = await why_not(connect(director, secure))
        assert "HTTP status 401" in str(error)
        connection = await StreamConnection.open(
            parse_director_url(director.url.replace("http", "ws") + "/agent"), TOKEN, secure
        )
        await connection.send(encode(Hello("rs2")))
        await until(lambda: state(director, "rs2") is AgentState.CONNECTED)
        connection.abort()


def _files(own: Authority, certificate: str | None, key: str | None) -> TlsFiles:
    return TlsFiles(certificate=certificate, key=key, ca=own.ca_file)


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda directory: (directory / "director.key").unlink(), "director.key can't be read: No such file"),
        (lambda directory: (directory / "ca.pem").write_text("no"), "ca.pem can't be used: "),
        (lambda directory: (directory / "director.pem").write_text("no"), "can't be used together: "),
    ],
)
def test_files_that_can_not_be_used_are_named(store: Store, break_it: Callable[[Path], object], sentence: str) -> None:
    break_it(store.directory)
    with pytest.raises(TlsError, match=sentence):
        Tls(TlsConfig(directory=str(store.directory)))


def test_a_certificate_for_another_key_is_not_put_in_place(store: Store, tmp_path: Path) -> None:
    files = enrolled(store, tmp_path / "rs1", "rs1")
    other = enrolled(store, tmp_path / "rs2", "rs2")
    before = Path(files.certificate or "").read_bytes()
    with pytest.raises(AgentTlsError, match="can't be used: "):
        Secure(files).renew(Path(other.certificate or "").read_text())
    assert Path(files.certificate or "").read_bytes() == before
    make_context(files)


async def test_a_websocket_of_a_certificate_that_is_good_is_closed_with_the_director(
    store: Store, tls: Tls, tmp_path: Path
) -> None:
    context = make_context(enrolled(store, tmp_path / "rs1", "rs1"))
    async with served(tls=tls) as director:
        client = await director.session.ws_connect(director.url + "/agent", ssl=context)
        await client.send_bytes(encode(Hello("rs1")))
        await until(lambda: state(director) is AgentState.CONNECTED)
        await director.receiver.close()
        message = await client.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)
