"""What an authority has promised, given and taken back: tokens, certificates, revocations. Pure.

A certificate's serial number begins with the time of issue. So a name is revoked by that time: every certificate of it
that was issued until then is refused, whichever of several directors with the same authority had issued it, and one
that is issued later is good.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping

import msgspec

from feedback.errors import EnrolmentError

MAX_INVITATIONS = 4096
_RANDOM_BITS = 64


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """A token that is out: the SHA-256 of its secret, the names it is for, and until when."""

    digest: str
    names: tuple[str, ...]
    expires_at: float


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that is out. Times are Unix seconds. shown: its holder surely has it, and what came with it."""

    serial: str  # in hex, as TLS libraries show it
    names: tuple[str, ...]
    issued_at: float
    expires_at: float
    shown: bool = False


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `lifetime_seconds` is how long a certificate is good.

    renew_before: what was issued before this moment is renewed at once: another authority takes over.
    """

    lifetime_seconds: float
    invitations: tuple[Invitation, ...] = ()
    issued: tuple[Issued, ...] = ()
    revoked: Mapping[str, float] = {}
    renew_before: float = 0.0


def invite(register: Register, secret: bytes, names: Iterable[str], now: float, valid_seconds: float) -> Register:
    """Return the register with one more token out. Raises EnrolmentError when there are too many."""
    waiting = tuple(one for one in register.invitations if one.expires_at > now)
    if len(waiting) >= MAX_INVITATIONS:
        raise EnrolmentError(f"{MAX_INVITATIONS} tokens are out and wait to be used: let some of them expire first")
    new = Invitation(digest=_digest(secret), names=tuple(names), expires_at=now + valid_seconds)
    return msgspec.structs.replace(register, invitations=(*waiting, new))


def redeem(register: Register, secret: bytes, now: float) -> tuple[Register, tuple[str, ...]]:
    """Return the register without the token of this secret, and the names it was for. Raises EnrolmentError."""
    digest = _digest(secret)
    found = [one for one in register.invitations if hmac.compare_digest(one.digest, digest)]
    if not found:
        raise EnrolmentError(
            "the token is unknown here, or used already: it is good once; `feedback pki enroll` makes one"
        )
    if found[0].expires_at <= now:
        raise EnrolmentError("the token has expired: `feedback pki enroll` makes a new one, --valid says for how long")
    left = tuple(one for one in register.invitations if one is not found[0])
    return msgspec.structs.replace(register, invitations=left), found[0].names


def note(register: Register, issued: Issued) -> Register:
    """Return the register with one more certificate out, and without those that have expired."""
    out = (one for one in register.issued if one.expires_at > issued.issued_at)
    return msgspec.structs.replace(register, issued=(*out, issued))


def revoke(register: Register, name: str, now: float) -> Register:
    """Return the register with every certificate of this name, and every token for it, taken back."""
    return msgspec.structs.replace(
        register,
        invitations=tuple(one for one in register.invitations if name not in one.names),
        revoked={**register.revoked, name: now},
    )


def revoked_name(register: Register, names: Iterable[str], serial: int) -> str | None:
    """Return which of a certificate's names is revoked for it, None when none is."""
    issued_at = issue_time(serial)
    return next((name for name in sorted(names) if issued_at <= register.revoked.get(name, -1.0)), None)


def standing(register: Register, now: float) -> tuple[Issued, ...]:
    """Return the certificates that are good, in the order of their names."""
    good = (
        one
        for one in register.issued
        if one.expires_at > now and revoked_name(register, one.names, int(one.serial, 16)) is None
    )
    return tuple(sorted(good, key=lambda one: (one.names, one.issued_at)))


def behind(register: Register, now: float) -> tuple[str, ...]:
    """Return the names whose certificates are to be renewed at once, and which have shown none that was."""
    good = standing(register, now) if register.renew_before else ()
    renewed = {name for one in good if one.shown and one.issued_at >= register.renew_before for name in one.names}
    return tuple(sorted({name for one in good for name in one.names} - renewed))


def mark_shown(register: Register, serial: int) -> Register:
    """Return the register with a certificate known to be in its holder's hands."""
    out = (msgspec.structs.replace(one, shown=True) if one.serial == f"{serial:x}" else one for one in register.issued)
    return msgspec.structs.replace(register, issued=tuple(out))


def is_awaited(register: Register, serial: int) -> bool:
    """Tell whether it is to be noted that this certificate is shown: it was renewed for another authority's sake."""
    if not 0 < register.renew_before <= issue_time(serial):
        return False
    return not any(one.shown and one.serial == f"{serial:x}" for one in register.issued)


def serial_number(now: float, chance: int) -> int:
    """Return a serial number: milliseconds of the time of issue, and 64 bits of chance (RFC 5280, 4.1.2.2)."""
    return (int(now * 1000) << _RANDOM_BITS) | (chance & (1 << _RANDOM_BITS) - 1)


def issue_time(serial: int) -> float:
    """Return when a certificate with this serial number was issued."""
    return (serial >> _RANDOM_BITS) / 1000


def _digest(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()
