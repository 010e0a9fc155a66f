"""`feedback pki`: a small certificate authority on the director, so that agents and director know each other."""

import argparse
import re
import socket
import sys
import time
from pathlib import Path

from feedback.commands.arguments import duration
from feedback.enrolment import Token
from feedback.errors import ConfigError, FeedbackError
from feedback.options import show_duration
from feedback.pki.register import behind, standing
from feedback.pki.store import Store
from feedback.report import MAX_NAME_LENGTH, is_name

DIRECTORY = "/var/lib/feedback/pki"
LIFETIME_SECONDS = 90 * 86400.0
VALID_SECONDS = 3600.0
MIN_LIFETIME_SECONDS = 3600.0
MAX_NAMES = 16  # more might not fit into the message that brings an agent its new certificate

_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")

USAGE = f"""\
  feedback pki init [NAME|ADDRESS ...] [--lifetime 2160h]   make the authority, and the director's own certificate
  feedback pki director NAME|ADDRESS ...                    make the director's own certificate anew
  feedback pki enroll AGENT ... [--valid 1h]                print a token: `feedback agent enroll` redeems it, once
  feedback pki list                                         show which certificates and tokens are out
  feedback pki revoke AGENT ...                             refuse an agent's certificates, from now on
  feedback pki rollover                                     take the next of three steps to a new authority

All of them take --directory, by default {DIRECTORY}.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = USAGE
    parser.add_argument("action", choices=tuple(ACTIONS), metavar="ACTION", help=", ".join(ACTIONS))
    parser.add_argument("names", nargs="*", metavar="NAME", help="names of agents, or how agents reach the director")
    parser.add_argument("--directory", default=DIRECTORY, type=Path, help=f"the authority's (default: {DIRECTORY})")
    parser.add_argument(
        "--valid", type=duration, default=VALID_SECONDS, help="enroll: how long the token is good (default: 1h)"
    )
    parser.add_argument(
        "--lifetime", type=duration, default=LIFETIME_SECONDS, help="init: of certificates (default: 2160h, 90 days)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked."""
    ACTIONS[arguments.action](Store(arguments.directory), arguments)
    return 0


def _init(store: Store, arguments: argparse.Namespace) -> None:
    if arguments.lifetime < MIN_LIFETIME_SECONDS:
        raise ConfigError(f"--lifetime must be at least {show_duration(MIN_LIFETIME_SECONDS)}")
    names = _hosts(arguments) or _own_names()
    store.create(names, arguments.lifetime)
    _say(f"{store.directory} has an authority, and a certificate for the director as {', '.join(names)}")
    _say(f"director.yaml: director: {{tls: {{directory: {store.directory}}}}}")
    _say("next: feedback pki enroll AGENT")


def _director(store: Store, arguments: argparse.Namespace) -> None:
    names = _hosts(arguments)
    if not names:
        raise ConfigError(
            "feedback pki director: by which names and addresses do agents reach the director? Like lvs1 10.2.0.1"
        )
    store.name_director(names)
    _say(f"the director has a new certificate, as {', '.join(names)}; a running one uses it within a minute")


def _enroll(store: Store, arguments: argparse.Namespace) -> None:
    names = _agents(arguments)
    token = store.invite(names, arguments.valid)
    sys.stdout.write(f"{token}\n")
    sys.stderr.write(_advice(store, names, token, arguments.valid))


def _list(store: Store, arguments: argparse.Namespace) -> None:
    if arguments.names:
        raise ConfigError("feedback pki list takes no names")
    register, now = store.register(), time.time()
    for one in standing(register, now):
        _say(f"{', '.join(one.names)}: certificate {one.serial}, until {_date(one.expires_at)}")
    for waiting in register.invitations:
        if waiting.expires_at > now:
            _say(f"{', '.join(waiting.names)}: token, until {_date(waiting.expires_at)}")
    for name, moment in sorted(register.revoked.items()):
        _say(f"{name}: revoked, what was issued until {_date(moment)}")


def _revoke(store: Store, arguments: argparse.Namespace) -> None:
    names = _agents(arguments)
    out = {name for one in standing(store.register(), time.time()) for name in one.names}
    for name in names:
        store.revoke(name)
        unseen = "" if name in out else " (none is known here: is the name right?)"
        _say(f"{name}: every certificate and token until now is refused{unseen}; a new one may be enrolled")


def _roll_over(store: Store, arguments: argparse.Namespace) -> None:
    if arguments.names:
        raise ConfigError("feedback pki rollover takes no names")
    _say(store.roll_over())
    waiting = behind(store.register(), time.time())
    _say(f"a running director gives a new certificate to: {', '.join(waiting) or 'no agent, there is none'}")
    if store.rolls_over():
        _say("when they have it, the next step: feedback pki rollover")


ACTIONS = {
    "init": _init,
    "director": _director,
    "enroll": _enroll,
    "list": _list,
    "revoke": _revoke,
    "rollover": _roll_over,
}


def _hosts(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return how agents reach the director. Raises ConfigError."""
    for name in arguments.names:
        if not _HOST.fullmatch(name):
            raise ConfigError(f'"{name}" must be a host name or an address, like lvs1.example or 10.2.0.1')
    return tuple(dict.fromkeys(arguments.names))


def _own_names() -> tuple[str, ...]:
    """Return this host's name, the address it has towards everybody else, and loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # no packet is sent: the kernel says which address it would come from
            address = asked.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    return tuple(dict.fromkeys((socket.gethostname(), address, "localhost", "127.0.0.1")))


def _agents(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the names of agents. Raises ConfigError."""
    for name in arguments.names:
        if not is_name(name):
            raise ConfigError(
                f'"{name}" must be an agent\'s name: letters, digits, ".", "_" and "-", at most {MAX_NAME_LENGTH}'
            )
    if not arguments.names:
        raise ConfigError(f"feedback pki {arguments.action}: which agent? Give its name, as in director.yaml")
    if len(arguments.names) > MAX_NAMES:
        raise ConfigError(f"one certificate has at most {MAX_NAMES} names: one host seldom has more agents")
    return tuple(dict.fromkeys(arguments.names))


def _advice(store: Store, names: tuple[str, ...], token: Token, valid_seconds: float) -> str:
    try:
        director = store.director_names()[0]
    except FeedbackError:
        director = "DIRECTOR"
    host = f"[{director}]" if ":" in director else director
    return (
        f"good once, for {show_duration(valid_seconds)}; on {names[0]}:\n"
        f"  feedback agent enroll --director https://{host}:8600 --token {token}\n"
    )


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
