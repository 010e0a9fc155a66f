"""Load reports as Envoy and gRPC know them (ORCA, the Open Request Cost Aggregation): the text of one, read. Pure.

`xds.data.orca.v3.OrcaLoadReport` in JSON, by the field names of either spelling that protocol buffers allow, or
`name=value` pairs as Envoy's header `endpoint-load-metrics` has them; what stands before either there, `JSON` or
`TEXT`, may stand here too. Costs of single requests are not load, and are left out.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from feedback.errors import WireError
from feedback.report import MAX_METRICS, is_name, is_ratio

FIELDS = ("application_utilization", "cpu_utilization", "mem_utilization", "rps_fractional", "eps", "rps")
MAPS = ("utilization", "named_metrics")
METRICS: Mapping[str, str] = {
    "application_utilization": "application",
    "cpu_utilization": "cpu",
    "mem_utilization": "memory",
    "rps_fractional": "rps",
}
"""Fields that have another name as metrics."""

_SPELLINGS = {re.sub("_(.)", lambda found: found[1].upper(), name): name for name in (*FIELDS, *MAPS)}
_UTILIZATIONS = ("application_utilization", "cpu_utilization", "mem_utilization", "utilization.")


class OrcaError(WireError):
    """A text is no load report; the words say why."""


def parse_orca(text: bytes) -> dict[str, float]:
    """Return what a report says, by name: `cpu_utilization`, `eps`, `named_metrics.queue`, `utilization.disk`.

    The caller bounds the text. Raises OrcaError.
    """
    stripped = text.strip()
    if stripped[:5].upper() in {b"JSON ", b"TEXT "}:
        stripped = stripped[5:].strip()
    said = _read_json(stripped) if stripped[:1] == b"{" else _read_pairs(stripped)
    if len(said) > MAX_METRICS:
        raise OrcaError(f"the load report has {len(said)} metrics, {MAX_METRICS} are allowed")
    return said


def utilizations(said: Mapping[str, float], limits: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return what is a share of a limit, by the metrics' names here: `cpu`, `memory`, `application`, or a name alone.

    What the standard defines as utilization is one; anything else is with a limit, which `limits` gives by its name
    in the report or by the metric's. Names that no metric may have are left out.
    """
    shares: dict[str, float] = {}
    for name, value in sorted(said.items(), key=lambda item: "." not in item[0]):  # the standard's own fields prevail
        metric = metric_name(name)
        limit = (limits or {}).get(name) or (limits or {}).get(metric)
        if limit is None and not name.startswith(_UTILIZATIONS):
            continue
        share = value / (limit or 1.0)
        if is_name(metric) and is_ratio(share):
            shares[metric] = share
    return shares


def metric_name(name: str) -> str:
    """Return what a metric is called here that has this name in a report."""
    kind, dot, rest = name.partition(".")
    return rest if dot and kind in MAPS else METRICS.get(name, name)


def _read_json(text: bytes) -> dict[str, float]:
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise OrcaError(f"the load report is not a JSON object: {error}") from None
    said: dict[str, float] = {}
    for written, value in document.items():
        name = _SPELLINGS.get(written, written)
        if name in FIELDS:
            said[name] = _number(name, value)
        elif name in MAPS and isinstance(value, dict):
            said |= {f"{name}.{key}": _number(f"{name}.{key}", one) for key, one in value.items()}
    return said


def _read_pairs(text: bytes) -> dict[str, float]:
    said: dict[str, float] = {}
    for pair in filter(None, (pair.strip() for pair in text.decode("utf-8", "replace").split(","))):
        written, equals, value = pair.partition("=")
        if not equals:
            raise OrcaError(f"the load report has {pair[:40]!r} where JSON or name=value should be")
        kind, dot, rest = written.strip().partition(".")
        name = _SPELLINGS.get(kind, kind) + dot + rest
        if name in FIELDS or (rest and name.startswith(tuple(f"{each}." for each in MAPS))):
            said[name] = _number(name, value.strip())
    if not said:
        raise OrcaError("the load report says nothing of load")
    return said


def _number(name: str, value: object) -> float:
    """Return a number, which JSON of protocol buffers may have in quotes. Raises OrcaError."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise OrcaError(f"the load report's {name[:80]} is {str(value)[:40]!r}, must be a number from 0")
    return number
