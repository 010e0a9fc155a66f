"""What an SNMP agent answers, made by hand."""

from collections.abc import Mapping

from feedback.checks.codecs import ber, snmp_message


def response(request_id: int, found: Mapping[str, int]) -> bytes:
    """Return the answer to a request."""
    variables = [
        ber.element(
            ber.SEQUENCE,
            snmp_message._oid(oid),
            ber.element(ber.INTEGER, value.to_bytes(8, signed=True)),
        )
        for oid, value in found.items()
    ]
    head = map(ber.integer, (request_id, 0, 0))
    pdu = ber.element(0xA2, *head, ber.element(ber.SEQUENCE, *variables))
    return ber.element(ber.SEQUENCE, ber.integer(1), ber.string("orchard"), pdu)
