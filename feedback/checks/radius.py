"""The `radius` check: whether a RADIUS server answers, and lets somebody in."""

import secrets
from typing import Annotated, Literal

from feedback.checks.asking import ask_twice
from feedback.checks.check import Check
from feedback.checks.codecs import radius_packet
from feedback.checks.codecs.radius_packet import (
    ACCESS_ACCEPT,
    ACCESS_CHALLENGE,
    ACCESS_REJECT,
    ACCOUNTING_RESPONSE,
    Answer,
    Request,
)
from feedback.checks.credentials import Password
from feedback.errors import CheckFailed, Reason
from feedback.net import Net, Target

random_bytes = secrets.token_bytes

WAIT_RATIO = 0.9
"""Which share of its time the check waits for answers, so that it is the one to say why none has come."""

_EXPECTED = {
    "accept": (ACCESS_ACCEPT,),
    "reject": (ACCESS_REJECT,),
    "challenge": (ACCESS_CHALLENGE,),
    "any": (ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE),
}
_IT_IS_THERE = (ACCESS_ACCEPT, ACCOUNTING_RESPONSE)  # by the port (RFC 5997, 3)


class RadiusCheck(Check, name="radius"):
    """Pass when the server answers as one that knows the secret, and has the answer that is wanted.

    Without `user`, it is asked by Status-Server (RFC 5997) whether it is there. It must be told to answer that:
    FreeRADIUS by `status_server = yes`. The accounting port can be asked, too.

    With `user` and `password`, it is asked by Access-Request whether it lets them in, and has to, unless `expect` says
    otherwise: `any` is content with a server that answers at all. Better take a user that is for the check alone, and
    may do nothing.

    A server says nothing to clients that it does not know, or whose secret is another: the director must be among its
    clients. A datagram may get lost, so the very same one is sent again when half of the time is over, which the server
    takes for what it is. Answers that are not signed with the secret are passed over.

    FreeRADIUS waits for a second before it says no (`reject_delay`): give a check that expects a reject a `timeout`
    of 3s.

    Examples:

        - radius: {secret: testing123}
        - radius: {secret: testing123, user: monitor, password: pass123, timeout: 3s}
    """

    secret: Annotated[Password, "secret that this client shares with the server"]
    user: Annotated[str | None, "user to ask for; by default, Status-Server is asked"] = None
    password: Annotated[Password | None, "that user's password"] = None
    expect: Annotated[Literal["accept", "reject", "challenge", "any"], "what must be the answer to Access-Request"] = (
        "accept"
    )
    nas_identifier: Annotated[str, "name by which the check calls itself"] = "feedback"
    require_message_authenticator: Annotated[
        bool, "pass over answers without Message-Authenticator (RFC 3579), which old servers don't send"
    ] = False

    def __post_init__(self) -> None:
        if (self.user is None) != (self.password is None):
            raise ValueError("must have both user and password, or neither")
        if self.user is None and self.expect != "accept":
            raise ValueError("expect: goes with user and password, and there are none")
        for option, text in (("user", self.user), ("nas_identifier", self.nas_identifier)):
            if text is not None and not 1 <= len(text.encode()) <= radius_packet.VALUE_LIMIT_BYTES:
                raise ValueError(f"{option}: must be from 1 to {radius_packet.VALUE_LIMIT_BYTES} bytes long")
        if self.password and len(self.password.reveal().encode()) > radius_packet.PASSWORD_LIMIT_BYTES:
            raise ValueError(f"password: must be at most {radius_packet.PASSWORD_LIMIT_BYTES} bytes long")

    async def probe(self, target: Target, net: Net) -> str:
        """Ask, ask again, and look at the answer."""
        request = self._request()
        net.stage(request.words)
        asking = _Asking(request, need_signature=self.require_message_authenticator)
        try:
            answer = await ask_twice(net, target, lambda: request.packet, asking.read, net.time_left() * WAIT_RATIO)
        except CheckFailed as error:
            raise CheckFailed(error.reason, f"{error.detail}{asking.why(error.reason)}") from None
        self._judge(answer)
        return str(answer)

    def _request(self) -> Request:
        identifier, *rest = random_bytes(1 + radius_packet.AUTHENTICATOR_BYTES)
        authenticator = bytes(rest)
        secret, name = self.secret.reveal().encode(), self.nas_identifier.encode()
        if self.user is None or self.password is None:
            return radius_packet.status_server(identifier, authenticator, secret, name)
        user, password = self.user.encode(), self.password.reveal().encode()
        return radius_packet.access_request(identifier, authenticator, secret, name, user=user, password=password)

    def _judge(self, answer: Answer) -> None:
        wanted = _IT_IS_THERE if self.user is None else _EXPECTED[self.expect]
        if answer.code not in wanted:
            reason = Reason.AUTH if self.user and answer.code == ACCESS_REJECT else Reason.STATUS
            words = " or ".join(radius_packet.CODES[code] for code in wanted)
            raise CheckFailed(reason, f"{answer}, must be {words}")


class _Asking:
    """One request, and what was wrong with the last datagram that was no answer to it."""

    def __init__(self, request: Request, *, need_signature: bool) -> None:
        self._request = request
        self._need_signature = need_signature
        self._flaw = ""

    def read(self, data: bytes) -> Answer | None:
        """Return what the server says, None when anybody may have said it."""
        try:
            return radius_packet.read_answer(data, self._request, need_signature=self._need_signature)
        except CheckFailed as error:
            self._flaw = error.detail
            return None

    def why(self, reason: Reason) -> str:
        """Return what may be behind it that no answer has come."""
        if self._flaw:
            return f"; the last was {self._flaw}"
        return ": it may not know this client, or have another secret for it" if reason is Reason.TIMEOUT else ""
