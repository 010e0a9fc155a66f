"""The extras of the distribution, and what a person is told who lacks one.

The base is the agent's on Linux. What it needs elsewhere, and what the director and the pictures of a simulation need
besides, is not there without their extras, and shows when it is imported.
"""

from collections.abc import Mapping

EXTRAS: Mapping[str, frozenset[str]] = {
    "director": frozenset(
        {"aiohttp", "asyncssh", "cryptography", "dns", "h2", "prometheus_client", "rich", "uvloop", "wsproto"}
    ),
    "plots": frozenset({"matplotlib"}),
    "psutil": frozenset({"psutil"}),
}
"""What each brings: modules, by the names they are imported by."""


def lacking(error: BaseException) -> str | None:
    """Return `needs the director extra: pip install ...` when that is why an import failed, None when it is not."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    for extra, modules in EXTRAS.items():
        if missing in modules:
            return f"needs the {extra} extra: pip install 'lvs-feedback[{extra}]'"
    return None
