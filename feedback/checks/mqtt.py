"""The `mqtt` check: a connection to a broker, a login, and a message that must be there."""

import contextlib
import re
import secrets
from typing import Annotated

from feedback.checks.codecs import mqtt_packet
from feedback.checks.codecs.mqtt_packet import (
    CONNACK,
    DISCONNECT,
    PUBLISH,
    SUBACK,
    Message,
    Packet,
    Version,
)
from feedback.checks.credentials import Password
from feedback.checks.matching import excerpt, matcher
from feedback.checks.secured import TlsCheck
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Net, Stream, Target

new_token = secrets.token_hex

TOKEN_BYTES = 7
CLIENT_ID_PREFIX = "feedback"  # with the token no more than the 23 letters and digits that every server takes
EARLY_MESSAGES = 8
"""How many messages may come before the subscription is granted."""

# In a filter, # and + stand alone in their levels, and # in the last one (4.7.1)
_TOPIC = re.compile(r"(?!.*#.)(?!.*[^/]#)(?!.*[^/]\+)(?!.*\+[^/]).+", re.DOTALL)


class MqttCheck(TlsCheck, name="mqtt"):
    """Pass when a broker accepts a connection, and a login and a subscription where they are asked for.

    The session is a new one each time, and the client's name too, so that several directors don't throw each other out.
    A broker that lets only clients of certain names in needs `client_id`: one for each director.

    With `subscribe`, the broker must grant that topic, or filter; some grant what they then keep back. With `expect` or
    `expect_regex`, a message must come, and its payload have it: best a retained one, which is there at once, like
    $SYS/broker/uptime. Of a filter, the first message that comes is looked at.

    A password is sent only in TLS, which is the check `mqtts`, unless `login_without_tls` allows the other.

    Examples:

        - mqtt: {}
        - mqtt: {version: 5, subscribe: $SYS/broker/uptime, expect_regex: "^[0-9]+ seconds$"}
    """

    version: Annotated[Version, "version of the protocol"] = "3.1.1"
    client_id: Annotated[str | None, "name of the client, by default a new one each time"] = None
    user: Annotated[str | None, "user to log in as"] = None
    password: Annotated[Password | None, "that user's password"] = None
    login_without_tls: Annotated[bool, "send the password also without TLS, for everyone on the way to read"] = False
    subscribe: Annotated[str | None, "topic or filter to subscribe to"] = None
    expect: Annotated[str | None, "text that a message must contain"] = None
    expect_regex: Annotated[str | None, "regular expression that must be found in a message"] = None

    def __post_init__(self) -> None:
        for option, text in (("client_id", self.client_id), ("user", self.user), ("password", self._revealed())):
            if text is not None and not (text and mqtt_packet.is_string(text)):
                raise ValueError(f"{option}: must be text of at most {mqtt_packet.STRING_BYTES} bytes")
        if self.password is not None and self.user is None:
            raise ValueError("password: goes with user, and there is none")
        if self.password is not None and not (self.over_tls or self.login_without_tls):
            raise ValueError("password: would be sent without TLS: use the check mqtts, or else set login_without_tls")
        if self.subscribe is not None and not (
            mqtt_packet.is_string(self.subscribe) and _TOPIC.fullmatch(self.subscribe)
        ):
            raise ValueError("subscribe: must be a topic, like $SYS/broker/uptime, or a filter, like sensors/+/state")
        if self.expect is not None and self.expect_regex is not None:
            raise ValueError("must have at most one of expect and expect_regex")
        self._matcher = matcher(self.expect, self.expect_regex, None)
        if self._matcher is not None and self.subscribe is None:
            raise ValueError("expect and expect_regex go with subscribe")
        super().__post_init__()

    async def probe(self, target: Target, net: Net) -> str:
        """Connect, subscribe, and say goodbye."""
        async with net.connect_tcp(target) as stream:
            expires = await self.secure(stream, target) if self.over_tls else ""
            net.stage("CONNECT")
            await self._connect(stream)
            try:
                said = await self._subscribe(stream, net)
            finally:
                with contextlib.suppress(CheckFailed, LocalFault):  # what came before is what counts
                    await stream.write(mqtt_packet.GOODBYE)
        login = f" as {self.user}" if self.user else ""
        return ", ".join(filter(None, (f"connected by MQTT {self.version}{login}", said, expires)))

    async def _connect(self, stream: Stream) -> None:
        client_id = self.client_id or CLIENT_ID_PREFIX + new_token(TOKEN_BYTES)
        await stream.write(mqtt_packet.connect(self.version, client_id, self.user, self._revealed()))
        mqtt_packet.read_connack(await read_packet(stream, CONNACK), self.version)

    def _revealed(self) -> str | None:
        return None if self.password is None else self.password.reveal()

    async def _subscribe(self, stream: Stream, net: Net) -> str:
        """Return what was heard, "" where nothing is asked for."""
        if self.subscribe is None:
            return ""
        net.stage(f"SUBSCRIBE {self.subscribe}")
        await stream.write(mqtt_packet.subscribe(self.version, self.subscribe))
        message = await self._granted(stream)
        if self._matcher is None:
            return f"subscribed to {self.subscribe}"
        if message is None:
            net.stage(f"a message of {self.subscribe}")
            packet = await read_packet(stream, PUBLISH, DISCONNECT)
            message = mqtt_packet.read_publish(packet, self.version)
        if not self._matcher.search(message.payload):
            raise CheckFailed(Reason.CONTENT, f"{message.topic} does not have what is expected: {_shown(message)}")
        return f"{message.topic} is {_shown(message)}"

    async def _granted(self, stream: Stream) -> Message | None:
        """Wait for the subscription. Messages may come before it (3.8.4); return the first."""
        messages: list[Message] = []
        while len(messages) <= EARLY_MESSAGES:
            packet = await read_packet(stream, SUBACK, PUBLISH, DISCONNECT)
            if packet.kind == SUBACK:
                mqtt_packet.read_suback(packet, self.version)
                return messages[0] if messages else None
            messages.append(mqtt_packet.read_publish(packet, self.version))
        raise CheckFailed(Reason.PROTOCOL, f"{len(messages)} messages came before the subscription was granted")


async def read_packet(stream: Stream, *expected: int) -> Packet:
    """Return the next packet, one of those expected. A DISCONNECT, where that may come, is raised."""
    first = (await stream.read_exactly(1))[0]
    kind = mqtt_packet.kind_of(first, *expected)
    length_bytes = await stream.read_exactly(1)
    while (length := mqtt_packet.remaining_length(length_bytes)) is None:
        length_bytes += await stream.read_exactly(1)
    packet = Packet(kind, first & 0x0F, await stream.read_exactly(length))
    if kind == DISCONNECT:
        raise mqtt_packet.read_disconnect(packet)
    return packet


def _shown(message: Message) -> str:
    return excerpt(message.payload)
