"""The `udp` check: one datagram, and the answer to it."""

from typing import Annotated

from feedback.checks.check import Check
from feedback.checks.matching import excerpt, matcher, payload
from feedback.errors import CheckFailed, Reason
from feedback.net import Datagrams, Net, Target


class UdpCheck(Check, name="udp"):
    """Pass when a datagram gets the answer that is expected.

    A datagram may get lost, so it is sent once more when half of the time is over. With nothing expected, the check
    passes unless the host says by ICMP that nobody listens: a host that is gone, or a firewall that is silent, passes
    too. Expect something wherever the protocol has an answer.

    Example:

        - udp: {port: 7, send: "hello", expect: "hello"}
    """

    send: Annotated[str | None, "text to send"] = None
    send_hex: Annotated[str | None, "bytes to send, as hexadecimal digits"] = None
    expect: Annotated[str | None, "text that the answer must contain"] = None
    expect_regex: Annotated[str | None, "regular expression that must be found in the answer"] = None
    expect_hex: Annotated[str | None, "bytes that the answer must contain, as hexadecimal digits"] = None

    def __post_init__(self) -> None:
        if (self.send is None) == (self.send_hex is None):
            raise ValueError("must have one of send and send_hex")
        if sum(option is not None for option in (self.expect, self.expect_regex, self.expect_hex)) > 1:
            raise ValueError("must have at most one of expect, expect_regex and expect_hex")
        self._payload = payload(self.send, self.send_hex)
        self._matcher = matcher(self.expect, self.expect_regex, self.expect_hex)

    async def probe(self, target: Target, net: Net) -> str:
        """Ask, ask again, and look at the answer."""
        async with net.connect_udp(target) as datagrams:
            answer = await self._answer(datagrams, net)
        if self._matcher is None:
            return "not refused" if answer is None else f"answered {len(answer)} bytes"
        if answer is None:
            raise CheckFailed(Reason.TIMEOUT, f"no answer from {target.endpoint}, asked twice")
        if not self._matcher.search(answer):
            raise CheckFailed(Reason.CONTENT, f"the answer does not have what is expected: {excerpt(answer)}")
        return f"answered {excerpt(answer)}"

    async def _answer(self, datagrams: Datagrams, net: Net) -> bytes | None:
        """Return the answer to the first datagram or to the second, None without one."""
        answer = await self._ask(datagrams, net.time_left() / 2)
        if answer is not None:
            return answer
        return await self._ask(datagrams, net.time_left() / 2 if self._matcher is None else net.time_left())

    async def _ask(self, datagrams: Datagrams, seconds: float) -> bytes | None:
        await datagrams.send(self._payload)
        return await datagrams.receive_within(seconds)
