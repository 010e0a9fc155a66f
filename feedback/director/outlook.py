"""What `--check-config` shows: the changes that lead from the table as it is to all destinations in use. Pure."""

from feedback.director import steering
from feedback.director.config import DirectorConfig
from feedback.director.desired import MemberInput, decide
from feedback.director.plan import describe, plan
from feedback.director.retry import subject
from feedback.director.state import State
from feedback.director.view import names_of
from feedback.model import Health, TableState


def outlook(config: DirectorConfig, state: State, observed: TableState) -> list[str]:
    """Return one line for each change in the table when every check passes and nothing is known of load."""
    wanted = {}
    for service in config.services.values():
        members = [
            MemberInput(
                name=destination.name,
                key=destination.key,
                base_weight=destination.base_weight,
                forwarding=destination.forwarding,
                health=Health.UP,
                admin=state.admin_of(service.name, destination.name),
            )
            for destination in service.destinations.values()
        ]
        wanted[service.key] = decide(service, members, observed.get(service.key)).state
    wanted |= steering.wanted(steering.ways(config))
    names = names_of(config)
    lines = []
    for operation in plan(wanted, observed, state.owned | wanted.keys()):
        key, at = subject(operation)
        before = observed[key].destinations.get(at) if at is not None and key in observed else None
        lines.append(describe(operation, names.get((key, None), str(key)), names.get((key, at), str(at)), before))
    return lines or ["no change: the table is as it should be"]
