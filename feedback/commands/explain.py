"""`feedback status --explain`: what each weight is made of, in a sentence."""

from collections.abc import Iterator, Mapping

from feedback.director.events import one_line
from feedback.director.snapshot import DestinationView, ServiceView
from feedback.director.weights import NO_SHARES, Bound, Terms
from feedback.director.weights.writing import PACE_SECONDS, TOLD_SELDOM

BOUNDS: Mapping[Bound, str] = {
    "floor": "held at its floor",
    "ceiling": "held at its ceiling",
    "slow_start": "let in slowly",
    "no_report": "no fresh report",
    "settling": "it has just come in",
    "idle": "too idle to learn from",
    "tolerance": "within tolerance",
}


def sentence(service: ServiceView, seen: DestinationView) -> str:
    """Return `rs1: busy 0.62, aimed at 0.58, followed over 120 s: weight 88 wanted, 87 written (within tolerance)`.

    Of who is not weighed, it is why that is so.
    """
    terms = seen.weighing
    if terms is None:
        return one_line(f"{seen.name}: {seen.why}")
    load = ", ".join(_load(terms))
    bound = _bound(service, terms)
    return one_line(f"{seen.name}: {f'{load}: ' if load else ''}{_weight(terms, seen)}{f' ({bound})' if bound else ''}")


def _load(terms: Terms) -> Iterator[str]:
    if terms.utilization is not None:
        yield f"busy {terms.utilization:.2f}"
    if terms.aim is not None:
        yield f"aimed at {terms.aim:.2f}"
    if terms.follow_seconds is not None:
        yield f"followed over {terms.follow_seconds:.0f} s"


def _weight(terms: Terms, seen: DestinationView) -> str:
    wanted = round(terms.wanted_weight)
    if not seen.in_table:
        return f"weight {wanted} wanted, and not in the table"
    if wanted == seen.weight:
        return f"weight {wanted} wanted and written"
    return f"weight {wanted} wanted, {seen.weight} written"


def _bound(service: ServiceView, terms: Terms) -> str:
    if terms.bound != "scheduler":
        return BOUNDS.get(terms.bound, "")
    if service.scheduler in NO_SHARES:
        return f"{service.scheduler} takes no shares, so the base weight stays"
    if service.scheduler in TOLD_SELDOM:
        return f"{service.scheduler} is told every {PACE_SECONDS:g} s at most"
    return f"{service.scheduler} gets short cycles, in which only shares count"
