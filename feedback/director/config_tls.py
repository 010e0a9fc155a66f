"""Reads `director.tls`, and looks at where the director listens: who may hear what is said there, and who may speak."""

import ipaddress

from feedback.director.config import TlsConfig
from feedback.director.config_shape import DirectorShape, TlsShape
from feedback.errors import FeedbackError
from feedback.model import Endpoint
from feedback.reader import child
from feedback.tree import Node, Problems

OWN = ("certificate", "key", "ca", "crl")


def read_tls(director: DirectorShape, node: Node, problems: Problems, warnings: Problems) -> TlsConfig | None:
    """Return the TLS of the section `director`, which stands at `node`; None where there is none, or it is wrong."""
    place = child(node, "tls")
    _check_plain(director, node, problems, warnings)
    if director.tls is None or not problems.none_at(place.path):
        return None
    config = TlsConfig(
        directory=director.tls.directory,
        certificate=director.tls.certificate,
        key=director.tls.key,
        ca=director.tls.ca,
        crl=director.tls.crl,
        listen=director.tls.listen,
    )
    before = len(problems)
    _check_parts(director.tls, place, problems)
    if config.directory is None and config.ca is None and director.token_file is None:
        problems.add(
            place, "must have a ca, whose certificates agents show, or the director a token_file that says who is one"
        )
    if config.listen is not None and config.listen == director.listen:
        problems.add(child(place, "listen"), f"{config.listen} is director.listen already: leave it out")
    if len(problems) == before:
        _try(config, place, problems)
    return config


def _check_parts(tls: TlsShape, node: Node, problems: Problems) -> None:
    given = [name for name in OWN if getattr(tls, name) is not None]
    if tls.directory is not None and given:
        problems.add(child(node, given[0]), "must be left out: the directory has everything")
    elif tls.directory is None and tls.certificate is None:
        problems.add(node, "must have a directory, as `feedback pki init` makes it, or a certificate and its key")
    elif tls.crl is not None and tls.ca is None:
        problems.add(child(node, "crl"), "goes with ca, and there is none")


def _try(config: TlsConfig, node: Node, problems: Problems) -> None:
    """Note it where TLS can't be spoken with these files."""
    from feedback.director.secure import Tls  # noqa: PLC0415 - most directors on loopback need no TLS

    try:
        Tls(config)
    except FeedbackError as error:
        problems.add(child(node, "directory" if config.directory is not None else "certificate"), str(error))


def _check_plain(director: DirectorShape, node: Node, problems: Problems, warnings: Problems) -> None:
    """Look at the listener without TLS, if there is one."""
    plain = director.tls is None or director.tls.listen is not None
    if not plain or not _is_open(director.listen) or not problems.none_at(child(node, "token_file").path):
        return
    place = child(node, "listen")
    if director.token_file is None:
        problems.add(
            place,
            f"{director.listen} is open to other hosts and needs token_file: a file with a token for agents and "
            "operators; or, better, tls: `feedback pki init` makes what it takes",
        )
    else:
        warnings.add(
            place,
            f"{director.listen} is open to other hosts without TLS: who reads the network reads the token; "
            "director.tls mends that",
        )


def _is_open(listen: Endpoint) -> bool:
    return not ipaddress.ip_address(listen.address).is_loopback
