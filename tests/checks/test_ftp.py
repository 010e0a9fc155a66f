"""The `ftp` and `ftps` checks against scripts: what they say when, and what they make of the answers."""

import hashlib
import re
from typing import Any

import pytest

from feedback.checks.ftp import FtpCheck
from feedback.checks.ftps import FtpsCheck
from feedback.config import read_arguments
from feedback.errors import ConfigError
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.secret import Secret
from feedback.testing import (
    Close,
    Connection,
    Drop,
    Hang,
    Receive,
    Refuse,
    Reset,
    Send,
    StartTls,
    Step,
    interrupted,
    run_check,
)

HERE = Target(Endpoint("192.0.2.11", 21))
BEHIND = Target(Endpoint("192.0.2.11", 21), vip=Endpoint("198.51.100.10", 21))
OVER_IPV6 = Target(Endpoint("2001:db8::11", 21))


def said(line: str) -> Receive:
    return Receive(f"{line}\r\n".encode())


def heard(*lines: str) -> Send:
    return Send("".join(f"{line}\r\n" for line in lines).encode())


GREETING = heard("220 ftp.example.com ready")
QUIT = said("QUIT")
OK = heard("200 OK")
LOGIN: list[Step] = [said("USER anonymous"), heard("331 Password?"), said("PASS feedback@"), heard("230 Welcome")]
PASV: list[Step] = [said("PASV"), heard("227 Entering Passive Mode (192,0,2,11,19,137)")]
EPSV: list[Step] = [said("EPSV"), heard("229 Entering Extended Passive Mode (|||5001|)")]
BINARY: list[Step] = [said("TYPE I"), OK]
OPENING = heard("150 Opening")
COMPLETE = heard("226 Transfer complete")
FETCH: list[Step] = [*BINARY, *PASV, said("RETR alive.txt"), OPENING, COMPLETE]
FETCHED: list[Step] = [GREETING, *LOGIN, *FETCH]
LIST: list[Step] = [said("CWD /pub"), heard("250 Changed"), *PASV, said("LIST"), OPENING, COMPLETE]
AUTH_TLS: list[Step] = [GREETING, said("AUTH TLS"), heard("234 Go on"), StartTls()]
PROTECT: list[Step] = [said("PBSZ 0"), OK, said("PROT P"), OK]
ALIVE = b"alive\n"


def ftp(**options: Any) -> FtpCheck:
    return FtpCheck(verify=False, **options)


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def failed(reason: str, detail: str) -> tuple[Outcome, str, str]:
    return Outcome.FAIL, reason, detail


def passed(*details: str) -> tuple[Outcome, str, str]:
    return Outcome.PASS, "", ", ".join(("220 ftp.example.com ready", *details))


# The greeting


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_server_that_greets_passes_and_is_told_goodbye(chunk_bytes: int | None) -> None:
    connection = Connection(GREETING, QUIT)
    assert outcome(run_check(ftp(), connection, target=HERE, chunk_bytes=chunk_bytes)) == passed()
    assert connection.sent == b"QUIT\r\n"
    assert not connection.brief  # the server speaks first


def test_a_server_that_says_wait_is_waited_for() -> None:
    soon = heard("120 Ready in 1 minute")
    assert outcome(run_check(ftp(), Connection(soon, soon, GREETING, QUIT), target=HERE)) == passed()
    result = run_check(ftp(), Connection(soon, Hang()), target=HERE)
    assert outcome(result) == failed("timeout", "greeting, got 120 Ready in 1 minute: no answer within 1 s")


def test_a_greeting_of_many_lines_is_told_by_its_headline() -> None:
    greeting = heard("220-====", "220-= ftp.example.com ready =", "You are number 7.", "220 It is 10:31.")
    assert outcome(run_check(ftp(), Connection(greeting, QUIT), target=HERE)) == passed()


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [
        ([Refuse()], "refused", "connection refused by 192.0.2.11:21"),
        ([Hang()], "timeout", "greeting: no answer within 1 s"),
        ([Close()], "closed", "greeting: 192.0.2.11:21 closed the connection after 0 bytes"),
        ([heard("421 Too many connections")], "status", "greeting: 421 Too many connections, must be 2yz"),
        ([heard("530-Not", "530 you"), QUIT], "status", "greeting: 530 Not you, must be 2yz"),
        ([heard("SSH-2.0-OpenSSH_9.2")], "protocol", 'greeting: not a line of an FTP reply: "SSH-2.0-OpenSSH_9.2"'),
        ([Send(b"2" * 5000)], "limit", "greeting: more than 4096 bytes from 192.0.2.11:21 in one piece"),
        ([Send(b"220-x\r\n" * 600)], "limit", "greeting: a reply of more than 500 lines"),
    ],
)
def test_another_greeting_fails(script: list[Step], reason: str, detail: str) -> None:
    connection = Connection(*script, Hang())
    assert outcome(run_check(ftp(), connection, target=HERE)) == failed(reason, detail)
    assert connection.sent.endswith(b"QUIT\r\n") == (QUIT in script)


def test_a_server_that_has_gone_when_it_is_told_goodbye_has_passed() -> None:
    assert run_check(ftp(), Connection(GREETING, Reset())).outcome is Outcome.PASS


def test_a_greeting_may_be_expected() -> None:
    assert run_check(ftp(expect_banner=r"^ftp\.example\.com"), Connection(GREETING, QUIT)).outcome is Outcome.PASS
    result = run_check(ftp(expect_banner="vsFTPd"), Connection(GREETING, QUIT))
    assert outcome(result) == failed("content", "greeting: 220 ftp.example.com ready, must match vsFTPd")


# Logging in


@pytest.mark.parametrize(
    ("options", "dialogue", "name"),
    [
        ({"user": "anonymous"}, LOGIN, "anonymous"),
        ({"user": "ftp", "password": Secret("me@")}, [said("USER ftp"), heard("331 ?"), said("PASS me@")], "ftp"),
        (
            {"user": "jürgen", "password": Secret("a b")},
            [said("USER jürgen"), heard("331 ?"), said("PASS a b")],
            "jürgen",
        ),
        ({"user": "trusted", "password": Secret("x")}, [said("USER trusted")], "trusted"),
    ],
)
def test_a_login_says_what_it_is_asked_for(options: dict[str, Any], dialogue: list[Step], name: str) -> None:
    script = [GREETING, *dialogue[:3], heard("230-Welcome", "230 in"), QUIT]
    assert outcome(run_check(ftp(**options), Connection(*script), target=HERE)) == passed(f"logged in as {name}")


@pytest.mark.parametrize(
    ("answers", "reason", "detail"),
    [
        (
            ["530 Anonymous sessions must use encryption."],
            "auth",
            "USER joe: 530 Anonymous sessions must use encryption.",
        ),
        (["332 Account?"], "status", "USER joe: 332 Account?"),
        (["331 ?", "530 Login incorrect."], "auth", "PASS: 530 Login incorrect."),
        (["331 ?", "332 Account?"], "status", "PASS: 332 Account?"),
        (["331 ?", "430 Invalid for now"], "status", "PASS: 430 Invalid for now"),
        (["331 ?", "421 Too many users"], "status", "PASS: 421 Too many users"),
    ],
)
def test_a_refused_login_fails_and_never_shows_the_password(answers: list[str], reason: str, detail: str) -> None:
    script: list[Step] = [GREETING, said("USER joe"), heard(answers[0])]
    script += [said("PASS secret"), heard(answers[1])] if answers[1:] else []
    connection = Connection(*script, Hang())
    result = run_check(ftp(user="joe", password=Secret("secret")), connection)
    assert outcome(result) == failed(reason, f"{detail}, must be 2yz")
    assert connection.sent.endswith(b"QUIT\r\n") == ("421" not in detail)


# Features

FEAT = heard("211-Features:", " EPSV", " MLST type*;size*;", " REST STREAM", "211 End")


def test_features_are_compared_as_they_are_after_the_login() -> None:
    check = ftp(user="anonymous", expect_features=["rest stream", "MLST size"])
    script = [GREETING, *LOGIN, said("FEAT"), FEAT, QUIT]
    assert outcome(run_check(check, Connection(*script), target=HERE)) == passed("logged in as anonymous")


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (FEAT, "content", "MDTM is not announced; what is: EPSV, MLST type*;size*;, REST STREAM"),
        (heard("500 What?"), "status", "500 What?, must be 2yz"),
    ],
)
def test_a_missing_feature_fails(answer: Send, reason: str, detail: str) -> None:
    result = run_check(ftp(expect_features=["EPSV", "MDTM"]), Connection(GREETING, said("FEAT"), answer, QUIT))
    assert outcome(result) == failed(reason, f"FEAT: {detail}")


# Data


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"size": 6},
        {"digest": hashlib.sha256(ALIVE).hexdigest()},
        {"digest": hashlib.md5(ALIVE, usedforsecurity=False).hexdigest().upper(), "size": 6, "limit": 6},
    ],
)
def test_a_file_is_fetched_over_a_connection_of_its_own(options: dict[str, Any], chunk_bytes: int | None) -> None:
    data = Connection(Send(ALIVE))
    check = ftp(file="alive.txt", **options)
    result = run_check(check, Connection(*FETCHED, QUIT), data, target=HERE, chunk_bytes=chunk_bytes)
    assert outcome(result) == passed("logged in as anonymous", "alive.txt has 6 bytes")
    assert data.closed
    assert not data.brief  # the server speaks first


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"size": 5}, "6 bytes, must be 5"),
        ({"size": 7}, "6 bytes, must be 7"),
        (
            {"digest": "0" * 32},
            f"the md5 is {hashlib.md5(ALIVE, usedforsecurity=False).hexdigest()}, must be {'0' * 32}",
        ),
    ],
)
def test_another_file_fails(options: dict[str, Any], detail: str) -> None:
    connection = Connection(*FETCHED, QUIT)
    result = run_check(ftp(file="alive.txt", **options), connection, Connection(Send(ALIVE)))
    assert outcome(result) == failed("content", f"RETR alive.txt: {detail}")
    assert connection.sent.endswith(b"QUIT\r\n")


def test_a_file_may_be_empty() -> None:
    check = ftp(file="alive.txt", size=0)
    result = run_check(check, Connection(*FETCHED, QUIT), Connection(), target=HERE)
    assert outcome(result) == passed("logged in as anonymous", "alive.txt has 0 bytes")


def test_of_a_larger_file_no_more_is_read_than_the_limit() -> None:
    result = run_check(ftp(file="alive.txt", limit=5), Connection(*FETCHED[:-1], QUIT), Connection(Send(ALIVE)))
    assert outcome(result) == failed("limit", "RETR alive.txt, data: more than the 5 bytes that are read of it")


@pytest.mark.parametrize(("listing", "lines"), [(b"", "0 lines"), (b"a\r\n", "1 line"), (b"a\r\nb\r\n", "2 lines")])
def test_a_directory_is_entered_and_listed(listing: bytes, lines: str) -> None:
    script = [GREETING, *LOGIN, *LIST, QUIT]
    result = run_check(ftp(directory="/pub"), Connection(*script), Connection(Send(listing)), target=HERE)
    assert outcome(result) == passed("logged in as anonymous", f"the listing of /pub has {lines}")


def test_a_file_is_fetched_before_another_directory_is_entered() -> None:
    check = ftp(file="alive.txt", directory="/pub")
    control = Connection(GREETING, *LOGIN, *FETCH, *LIST, QUIT)
    result = run_check(check, control, Connection(Send(ALIVE)), Connection(Send(b"one\r\n")), target=HERE)
    words = ("logged in as anonymous", "alive.txt has 6 bytes", "the listing of /pub has 1 line")
    assert outcome(result) == passed(*words)


@pytest.mark.parametrize(
    ("passive", "target", "question"),
    [("auto", HERE, PASV), ("pasv", HERE, PASV), ("epsv", HERE, EPSV), ("auto", OVER_IPV6, EPSV)],
)
def test_a_data_connection_may_be_all_that_is_asked_for(passive: Any, target: Target, question: list[Step]) -> None:
    data = Connection()
    result = run_check(ftp(passive=passive), Connection(GREETING, *LOGIN, *question, QUIT), data, target=target)
    assert outcome(result) == passed("logged in as anonymous", "data connection opened")
    assert (data.sent, data.closed) == (b"", True)


def test_over_ipv6_the_port_is_asked_for_by_epsv() -> None:
    script = [GREETING, *LOGIN, *BINARY, *EPSV, said("RETR alive.txt"), OPENING, COMPLETE, QUIT]
    result = run_check(ftp(file="alive.txt"), Connection(*script), Connection(Send(ALIVE)), target=OVER_IPV6)
    assert outcome(result) == passed("logged in as anonymous", "alive.txt has 6 bytes")


@pytest.mark.parametrize(("first", "reason"), [(Refuse(), "refused"), (Drop(), "timeout")])
@pytest.mark.parametrize(
    ("target", "question", "there"),
    [(HERE, PASV, "192.0.2.11:5001"), (OVER_IPV6, EPSV, "[2001:db8::11]:5001")],
)
def test_a_port_for_data_that_can_t_be_reached_fails(
    first: Step, reason: str, target: Target, question: list[Step], there: str
) -> None:
    result = run_check(
        ftp(passive="auto"), Connection(GREETING, *LOGIN, *question, QUIT), Connection(first), target=target
    )
    words = {"refused": f"connection refused by {there}", "timeout": "no answer within 1 s"}[reason]
    assert outcome(result) == failed(reason, f"data connection: {words}")


@pytest.mark.parametrize(
    ("step", "answer", "reason", "detail"),
    [
        (said("TYPE I"), "504 No", "status", "TYPE I: 504 No, must be 2yz"),
        (said("PASV"), "502 No", "status", "PASV: 502 No, must be 2yz"),
        (said("PASV"), "227 Entering", "protocol", "PASV: not an address and a port: 227 Entering"),
        (said("RETR alive.txt"), "550 No such file", "status", "RETR alive.txt: 550 No such file, must be 1yz"),
        (said("RETR alive.txt"), "425 No connection", "status", "RETR alive.txt: 425 No connection, must be 1yz"),
        (said("RETR alive.txt"), "226 Done", "status", "RETR alive.txt: 226 Done, must be 1yz"),
        (OPENING, "426 Aborted", "status", "RETR alive.txt, end of data: 426 Aborted, must be 2yz"),
        (OPENING, "451 Disk error", "status", "RETR alive.txt, end of data: 451 Disk error, must be 2yz"),
        (said("CWD /pub"), "550 No such directory", "status", "CWD /pub: 550 No such directory, must be 2yz"),
        (said("LIST"), "450 Busy", "status", "LIST: 450 Busy, must be 1yz"),
    ],
)
def test_a_refusal_is_told_with_the_command(step: Step, answer: str, reason: str, detail: str) -> None:
    check = ftp(file="alive.txt", directory="/pub")
    script: list[Step] = [GREETING, *LOGIN, *FETCH, *LIST]
    before = script[: script.index(step) + 1]
    parts = [Connection(Send(ALIVE)) for _ in range(before.count(PASV[1]))]
    control = Connection(*before, heard(answer), QUIT)
    assert outcome(run_check(check, control, *parts)) == failed(reason, detail)
    assert control.sent.endswith(b"QUIT\r\n")


def test_a_second_word_that_says_wait_is_no_end_of_data() -> None:
    script = [*FETCHED[:-1], heard("110 MARK yyyy = mmmm"), COMPLETE, QUIT]
    result = run_check(ftp(file="alive.txt"), Connection(*script), Connection(Send(ALIVE)), target=HERE)
    assert result.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("by", "reason", "words"),
    [
        (Hang(), "timeout", "no answer within 1 s"),
        (Reset(), "reset", "connection reset by 192.0.2.11:5001"),
    ],
)
def test_a_data_connection_that_breaks_fails_and_the_server_is_told_goodbye(by: Step, reason: str, words: str) -> None:
    control = Connection(*FETCHED[:-1], QUIT)
    result = run_check(ftp(file="alive.txt"), control, Connection(Send(b"al"), by), target=HERE)
    assert outcome(result) == failed(reason, f"RETR alive.txt, data: {words}")
    assert control.sent.endswith(b"QUIT\r\n")


@pytest.mark.parametrize("by", [Hang(), Close(), Reset()])
def test_an_interruption_anywhere_fails_and_leaves_nothing_open(by: Step) -> None:
    script: list[Step] = [*AUTH_TLS, *LOGIN, *PROTECT, *FETCH]
    reasons = []
    for connection in interrupted(script, by):
        data = Connection(StartTls(), Send(ALIVE))
        result = run_check(ftp(starttls=True, file="alive.txt"), connection, data, target=HERE)
        assert result.outcome is Outcome.FAIL
        assert connection.closed
        reasons.append(result.reason)
    usual = {Hang: "timeout", Close: "closed", Reset: "reset"}[type(by)]
    in_tls = "timeout" if by == Hang() else "tls"
    assert reasons == [usual, usual, in_tls, *[usual] * 8]


# The address that PASV announces


@pytest.mark.parametrize(
    ("announced", "target", "remark"),
    [
        ("192,0,2,11", HERE, []),
        ("192,0,2,11", BEHIND, []),
        ("198,51,100,10", BEHIND, []),
        ("198,51,100,10", HERE, ["PASV announces 198.51.100.10, not this address"]),
        ("10,2,0,11", BEHIND, ["PASV announces 10.2.0.11, neither this address nor the VIP"]),
        ("0,0,0,0", HERE, ["PASV announces 0.0.0.0, not this address"]),
    ],
)
def test_an_odd_address_is_mentioned_and_never_gone_to(announced: str, target: Target, remark: list[str]) -> None:
    script = [GREETING, *LOGIN, said("PASV"), heard(f"227 ({announced},19,137)"), QUIT]
    result = run_check(ftp(passive="pasv"), Connection(*script), Connection(), target=target)
    assert outcome(result) == passed("logged in as anonymous", *remark, "data connection opened")
    result = run_check(ftp(passive="pasv"), Connection(*script), Connection(Refuse()), target=target)
    assert outcome(result) == failed("refused", "data connection: connection refused by 192.0.2.11:5001")


@pytest.mark.parametrize(
    ("wanted", "announced"),
    [
        ("vip", "198.51.100.10"),
        ("server", "192.0.2.11"),
        ("203.0.113.5", "203.0.113.5"),
        ("any", "203.0.113.5"),
        ("any", "192.0.2.11"),
    ],
)
def test_the_address_that_is_wanted_passes_and_is_no_matter_for_talk(wanted: str, announced: str) -> None:
    script = [GREETING, *LOGIN, said("PASV"), heard(f"227 ({announced.replace('.', ',')},19,137)"), QUIT]
    result = run_check(ftp(pasv_address=wanted), Connection(*script), Connection(), target=BEHIND)
    assert outcome(result) == passed("logged in as anonymous", "data connection opened")


@pytest.mark.parametrize(
    ("wanted", "announced", "address"),
    [
        ("vip", "192.0.2.11", "198.51.100.10"),
        ("vip", "203.0.113.5", "198.51.100.10"),
        ("server", "198.51.100.10", "192.0.2.11"),
        ("203.0.113.5", "198.51.100.10", "203.0.113.5"),
    ],
)
def test_another_address_than_the_wanted_one_fails(wanted: str, announced: str, address: str) -> None:
    script = [GREETING, *LOGIN, said("PASV"), heard(f"227 ({announced.replace('.', ',')},19,137)"), QUIT]
    result = run_check(ftp(pasv_address=wanted), Connection(*script), target=BEHIND)
    assert outcome(result) == failed("content", f"PASV: announces {announced}, must announce {address}")


@pytest.mark.parametrize(
    ("options", "target", "detail"),
    [
        ({"pasv_address": "vip"}, HERE, "pasv_address: vip says nothing where the service has no address of its own"),
        ({"pasv_address": "server"}, OVER_IPV6, "PASV knows no IPv6, and 2001:db8::11 is such an address"),
        ({"passive": "pasv"}, OVER_IPV6, "PASV knows no IPv6, and 2001:db8::11 is such an address"),
    ],
)
def test_what_this_target_can_t_have_says_nothing_of_the_service(
    options: dict[str, Any], target: Target, detail: str
) -> None:
    assert outcome(run_check(ftp(**options), target=target)) == (Outcome.UNKNOWN, "local", detail)


def test_where_an_address_may_be_announced_results_depend_on_the_vip_too() -> None:
    target = Target(BEHIND.endpoint, "rs1", "files", 100, BEHIND.vip)
    assert ftp(user="anonymous").scope(target) == HERE
    assert ftp(file="alive.txt").scope(target) == BEHIND


# TLS


def test_files_go_through_tls_in_the_session_of_the_control_connection() -> None:
    script = [*AUTH_TLS, *LOGIN, *PROTECT, *FETCH, *LIST, QUIT]
    control = Connection(*script)
    data = [Connection(StartTls(), Send(ALIVE)), Connection(StartTls(), Send(b"one\r\n"))]
    check = ftp(starttls=True, sni="ftp.example.com", file="alive.txt", directory="/pub")
    assert run_check(check, control, *data).outcome is Outcome.PASS
    assert [part.resumed for part in (control, *data)] == [False, True, True]
    assert {part.server_hostname for part in (control, *data)} == {"ftp.example.com"}


def test_where_no_files_are_asked_for_only_the_login_is_in_tls() -> None:
    check = ftp(starttls=True, user="anonymous")
    result = run_check(check, Connection(*AUTH_TLS, *LOGIN, QUIT))
    assert outcome(result) == passed("logged in as anonymous")


def test_ftps_is_in_tls_from_the_start() -> None:
    control = Connection(StartTls(), GREETING, *LOGIN, *PROTECT, *FETCH, QUIT)
    data = Connection(StartTls(), Send(ALIVE))
    check = FtpsCheck(sni="ftp.example.com", file="alive.txt")
    assert run_check(check, control, data).outcome is Outcome.PASS
    assert (control.resumed, data.resumed) == (False, True)
    result = run_check(check, Connection(StartTls(error="certificate refused")))
    assert outcome(result) == failed("tls", "certificate refused")


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [
        ([GREETING, said("AUTH TLS"), heard("530 Log in")], "tls", "AUTH TLS: 530 Log in, must be 2yz"),
        ([GREETING, said("AUTH TLS"), heard("431 Not now")], "status", "AUTH TLS: 431 Not now, must be 2yz"),
        (
            [GREETING, said("AUTH TLS"), heard("234 Go on", "230 injected")],
            "protocol",
            "TLS: 192.0.2.11:21 sent more before TLS than it was asked for",
        ),
        ([*AUTH_TLS[:-1], StartTls(error="certificate refused")], "tls", "TLS: certificate refused"),
        ([*AUTH_TLS, *LOGIN, said("PBSZ 0"), heard("503 No")], "tls", "PBSZ 0: 503 No, must be 2yz"),
        ([*AUTH_TLS, *LOGIN, *PROTECT[:-1], heard("536 No")], "tls", "PROT P: 536 No, must be 2yz"),
    ],
)
def test_without_tls_the_check_fails(script: list[Step], reason: str, detail: str) -> None:
    result = run_check(ftp(starttls=True, file="alive.txt"), Connection(*script, Hang()), target=HERE)
    assert outcome(result) == failed(reason, detail)


def test_data_without_tls_fail() -> None:
    control = Connection(*AUTH_TLS, *LOGIN, *PROTECT, *FETCH[:-1], QUIT)
    data = Connection(StartTls(error="wrong version number"))
    result = run_check(ftp(starttls=True, file="alive.txt"), control, data)
    assert outcome(result) == failed("tls", "RETR alive.txt, TLS: wrong version number")


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expect_banner": "("}, "expect_banner: must be a regular expression: "),
        ({"expect_features": [" "]}, "expect_features: must be keywords, like MLST or REST STREAM"),
        ({"user": "a\r\nDELE b", "password": Secret("p")}, "user: must be one line of text"),
        ({"user": "a", "password": Secret("p\nDELE b")}, "password: must be one line of text"),
        ({"file": "a\0"}, "file: must be one line of text"),
        ({"directory": ""}, "directory: must be one line of text"),
        ({"password": Secret("p")}, "password: goes with user, and there is none"),
        ({"user": "joe"}, "password: is missing; only anonymous and ftp need none"),
        ({"size": 1}, "must have file, too, where there is size or digest"),
        ({"digest": "0" * 32}, "must have file, too, where there is size or digest"),
        ({"file": "a", "digest": "0"}, "digest: must be 32 hexadecimal digits of MD5, or 64 of SHA-256"),
        ({"file": "a", "size": 11, "limit": 10}, "size: must be at most the limit, which is 10"),
        (
            {"passive": "epsv", "pasv_address": "vip"},
            "pasv_address: PASV knows IPv4 alone, and EPSV announces no address",
        ),
        ({"pasv_address": "2001:db8::1"}, "pasv_address: PASV knows IPv4 alone, and EPSV announces no address"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        FtpCheck(**options)


def test_ftps_has_no_starttls() -> None:
    with pytest.raises(ValueError, match=r"^starttls: the connection is in TLS already$"):
        FtpsCheck(starttls=True)


def test_options_are_read_from_a_command_line() -> None:
    words = ["user=joe", "password=p", "pasv_address=198.51.100.10", "expect_features=[MLST]", "size=6", "file=a"]
    check = read_arguments(FtpCheck, words)
    assert (check.pasv_address, check.size, check.password) == ("198.51.100.10", 6, Secret("p"))
    assert read_arguments(FtpCheck, ["pasv_address=vip"]).pasv_address == "vip"
    with pytest.raises(ConfigError, match="pasv_address: must be an IP address"):
        read_arguments(FtpCheck, ["pasv_address=vpi"])
