"""The `amqps` check: the `amqp` check in TLS from the start."""

from typing import ClassVar

from feedback.checks.amqp import AmqpCheck


class AmqpsCheck(AmqpCheck, name="amqps"):
    """Pass when the certificate is good, and a broker in TLS greets and has all that is asked for.

    It is the `amqp` check in TLS from the first byte on, as port 5671 has it.

    Example:

        - amqps: {port: 5671, sni: broker.example.com, user: monitor, password: secret, queue: jobs, min_consumers: 1}
    """

    over_tls: ClassVar[bool] = True
