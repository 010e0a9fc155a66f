"""Reads `agent.tls`: whom to trust, and by what the directors know this agent."""

import msgspec

from feedback.agent.config import TlsFiles
from feedback.agent.secure import TlsError, files_in, make_context
from feedback.reader import child
from feedback.tree import Node, Problems


class TlsShape(msgspec.Struct, frozen=True, kw_only=True):
    """The section `agent.tls`."""

    directory: str | None = None
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None


def read_tls(shape: TlsShape | None, directors: tuple[str, ...], node: Node, problems: Problems) -> TlsFiles | None:
    """Return the files; None where no director is spoken to over TLS. Notes what can't be used."""
    place = child(node, "tls")
    over_tls = any(url.startswith("wss:") for url in directors)
    if not problems.none_at(place.path):
        return None
    if shape is not None and directors and not over_tls:
        problems.add(place, "goes with wss:// in directors, and there is none")
        return None
    if not over_tls:
        return None
    shape = shape or TlsShape()
    files = _files(shape)
    own = [name for name in ("certificate", "key", "ca") if getattr(shape, name) is not None]
    if shape.directory is not None and own:
        problems.add(child(place, own[0]), "must be left out: the directory has everything")
    elif shape.key is not None and shape.certificate is None:
        problems.add(child(place, "key"), "goes with certificate, and there is none")
    else:
        try:
            make_context(files)
        except TlsError as error:
            problems.add(child(place, "directory") if shape.directory is not None else place, str(error))
    return files


def _files(shape: TlsShape) -> TlsFiles:
    if shape.directory is not None:
        return files_in(shape.directory)
    return TlsFiles(certificate=shape.certificate, key=shape.key, ca=shape.ca)
