"""The `mqtts` check: the `mqtt` check in TLS from the start."""

from typing import ClassVar

from feedback.checks.mqtt import MqttCheck


class MqttsCheck(MqttCheck, name="mqtts"):
    """Pass when the certificate is good, and a broker in TLS accepts a connection and all that is asked for.

    It is the `mqtt` check in TLS from the first byte on, as port 8883 has it.

    Example:

        - mqtts: {port: 8883, sni: broker.example.com, subscribe: $SYS/broker/uptime}
    """

    over_tls: ClassVar[bool] = True
