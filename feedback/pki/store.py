"""An authority in a directory: its key, the director's own certificate, and the register.

The command line and a running director change the register at the same time, so each change is made under a lock, whole
and on disk, or not at all. As root, what is written belongs to whoever owns the directory around it.
"""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from feedback.enrolment import SECRET_BYTES, Token, certificates_in, fingerprint
from feedback.errors import EnrolmentError
from feedback.pki import authority, register
from feedback.pki.authority import Certificate, Pair, PublicKey
from feedback.pki.register import Issued, Register
from feedback.pki.validity import is_due

AUTHORITY = "ca"
NEXT = "next"
DIRECTOR = "director"
REGISTER = "register.json"

DoneT = TypeVar("DoneT")


class Store:
    """An authority's directory. Whatever is wrong with it is an EnrolmentError."""

    def __init__(self, directory: str | Path, now: Callable[[], float] = time.time) -> None:
        self.directory = Path(directory)
        self._now = now

    @property
    def authority_file(self) -> Path:
        """The authority's certificate: what agents and clients trust."""
        return self.directory / f"{AUTHORITY}.pem"

    @property
    def register_file(self) -> Path:
        """The register: it changes whenever a token or a certificate does."""
        return self.directory / REGISTER

    @property
    def director(self) -> tuple[Path, Path]:
        """The files of the director's own certificate and its key."""
        return self.directory / f"{DIRECTOR}.pem", self.directory / f"{DIRECTOR}.key"

    def create(self, names: Sequence[str], lifetime_seconds: float) -> None:
        """Make the authority, and the director's certificate for these names and addresses."""
        with _told(self.directory):
            self._make_directory()
            if any(self.directory.iterdir()):
                raise EnrolmentError(
                    f"{self.directory} is not empty, and a second authority would lock the agents of the first one "
                    "out: name another directory"
                )
            self._write(REGISTER, _encoded(Register(lifetime_seconds=lifetime_seconds)))
            self._write_pair(AUTHORITY, authority.new_authority(f"feedback {names[0]}", self._now()))
            self.name_director(names)

    def roll_over(self) -> str:
        """Take the next step from this authority to a new one, and return in a sentence what has been done.

        First both are trusted, then the new one signs, at last it alone is trusted. After each step every agent gets a
        certificate, and with it whom to trust; no step is taken before all have followed the last one.
        """
        with self._locked():
            known, old = self.register(), self._authority().certificate
            with _told(self.directory):
                trusted = self.authority_file.read_bytes()
                begins = authority.is_one(trusted)
                if late := register.behind(known, self._now()):
                    raise EnrolmentError(
                        f"not all agents have followed yet: {', '.join(late)}; the director renews the certificates of "
                        "those that are connected, and waits until they show them. Revoke what won't come back"
                    )
                # First: if anything comes in between, the step is taken again, and agents get a certificate more
                self._write(REGISTER, _encoded(msgspec.structs.replace(known, renew_before=self._now())))
                following = self.directory / f"{NEXT}.key"
                if begins:
                    made = authority.new_authority(authority.common_name(old), self._now())
                    self._write(following.name, made.key)
                    self._write(self.authority_file.name, old + made.certificate, mode=0o644)
                    return "a new authority is trusted beside the old one"
                if following.exists():
                    following.replace(self.directory / f"{AUTHORITY}.key")  # which says who signs
                    self._write_director(self.director_names())
                    return "the new authority signs from now on; the old one is still trusted"
                self._write(self.authority_file.name, old, mode=0o644)
                self._write_director(self.director_names())
                return "the new authority alone is trusted: the old one is gone"

    def rolls_over(self) -> bool:
        """Tell whether a step to a new authority is left to take."""
        with _told(self.authority_file):
            return not authority.is_one(self.authority_file.read_bytes())

    def name_director(self, names: Sequence[str]) -> None:
        """Make the director a new certificate, for these names and addresses."""
        with self._locked():
            self._write_director(names)

    def renew_director(self) -> bool:
        """Make the director a new certificate for the same names when the old one ends soon. Return whether."""
        certificate, _ = self.director
        with _told(certificate):
            old = certificate.read_bytes()
        if not is_due(*authority.validity(old), self._now()):
            return False
        self.name_director(authority.names_in(old))
        return True

    def director_names(self) -> tuple[str, ...]:
        """Return the names and addresses that agents may know the director by."""
        with _told(self.director[0]):
            return authority.names_in(self.director[0].read_bytes())

    def invite(self, names: Sequence[str], valid_seconds: float) -> Token:
        """Return a new token by which a host gets a certificate for these names."""
        with _told(self.authority_file):
            der = _understood(self.authority_file, lambda: certificates_in(self.authority_file.read_text()))
        secret = secrets.token_bytes(SECRET_BYTES)
        self._change(lambda now, old: (register.invite(old, secret, names, now, valid_seconds), None))
        return Token(fingerprint(der), secret)

    def enrol(self, secret: bytes, request: str) -> tuple[Certificate, tuple[str, ...]]:
        """Return a certificate for a token's secret, which is used then, and the names it is for."""
        register.redeem(self.register(), secret, self._now())  # who has no token makes nobody look at his request
        key = authority.requested_key(request)

        def redeem(now: float, old: Register) -> tuple[Register, tuple[Certificate, tuple[str, ...]]]:
            left, names = register.redeem(old, secret, now)
            made = self._make(left, key, names, now)
            return register.note(left, msgspec.structs.replace(_issued(made, names), shown=True)), (made, names)

        return self._change(redeem)

    def renew(self, certificate: bytes, names: Sequence[str]) -> Certificate:
        """Return a new certificate for the key of this one (DER), whose holder has shown that the key is his."""
        key = authority.key_of(certificate)

        def add(now: float, old: Register) -> tuple[Register, Certificate]:
            made = self._make(old, key, names, now)
            return register.note(old, _issued(made, names)), made

        return self._change(add)

    def note_shown(self, serial: int) -> None:
        """Note that a certificate is in its holder's hands."""
        self._change(lambda _, old: (register.mark_shown(old, serial), None))

    def revoke(self, name: str) -> None:
        """Take every certificate and token of this name back."""
        self._change(lambda now, old: (register.revoke(old, name, now), None))

    def register(self) -> Register:
        """Return what the register says now."""
        with _told(self.register_file):
            data = self.register_file.read_bytes()
        try:
            return msgspec.json.decode(data, type=Register)
        except msgspec.MsgspecError as error:
            raise EnrolmentError(f"{self.register_file} is damaged ({error}): bring back a copy of it") from None

    def _write_director(self, names: Sequence[str]) -> None:
        lifetime = self.register().lifetime_seconds
        pair = authority.director_certificate(self._authority(), names, lifetime, self._now())
        with _told(self.directory):
            self._write_pair(DIRECTOR, pair)

    def _make(self, known: Register, key: PublicKey, names: Sequence[str], now: float) -> Certificate:
        return authority.agent_certificate(self._authority(), key, names, known.lifetime_seconds, now)

    def _change(self, change: Callable[[float, Register], tuple[Register, DoneT]]) -> DoneT:
        with self._locked():
            new, done = change(self._now(), self.register())
            with _told(self.register_file):
                self._write(REGISTER, _encoded(new))
        return done

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with _told(self.directory):
            descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # whoever holds it writes one small file
            yield
        finally:
            os.close(descriptor)

    def _authority(self) -> Pair:
        key = self.directory / f"{AUTHORITY}.key"
        with _told(key):
            signs = key.read_bytes()
            trusted = self.authority_file.read_bytes()
        return Pair(_understood(self.authority_file, lambda: authority.signing(trusted, signs)), signs)

    def _make_directory(self) -> None:
        if not self.directory.exists():
            self.directory.mkdir(parents=True, mode=0o700)
            _hand_over(self.directory, self.directory.parent)
        self.directory.chmod(0o700)

    def _write_pair(self, name: str, pair: Pair) -> None:
        self._write(f"{name}.key", pair.key)
        self._write(f"{name}.pem", pair.certificate, mode=0o644)

    def _write(self, name: str, data: bytes, *, mode: int = 0o600) -> None:
        path = self.directory / name
        beside = self.directory / f"{name}.new"
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _hand_over(beside, self.directory)
        beside.replace(path)


def _hand_over(path: Path, like: Path) -> None:
    """Give a file that root has made to the owner of the directory: the director is no root."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say in a sentence what the kernel refuses."""
    try:
        yield
    except FileNotFoundError as error:
        raise EnrolmentError(f"{error.filename or path} is not there: `feedback pki init` makes an authority") from None
    except OSError as error:
        raise EnrolmentError(f"{error.filename or path} can't be used: {error.strerror}") from None


def _understood(path: Path, read: Callable[[], DoneT]) -> DoneT:
    """Say in a sentence which file is damaged."""
    try:
        return read()
    except authority.UNREADABLE as error:
        raise EnrolmentError(f"{path} or its key is damaged ({error}): bring back a copy of both") from None


def _issued(made: Certificate, names: Sequence[str]) -> Issued:
    return Issued(serial=f"{made.serial:x}", names=tuple(names), issued_at=made.issued_at, expires_at=made.expires_at)


def _encoded(known: Register) -> bytes:
    return msgspec.json.format(msgspec.json.encode(known)) + b"\n"
