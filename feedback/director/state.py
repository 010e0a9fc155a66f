"""What must outlive the director: admin states, hosts' own wishes, and which services in the table are ours. Pure."""

from collections.abc import Mapping

import msgspec

from feedback.model import Admin, ServiceKey
from feedback.report import Wish


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is kept. `admin` holds only what is not `enabled`: service -> destination -> state."""

    version: int = 1
    admin: Mapping[str, Mapping[str, Admin]] = {}
    wishes: Mapping[str, Wish] = {}
    owned: frozenset[ServiceKey] = frozenset()

    def admin_of(self, service: str, destination: str) -> Admin:
        """Return a destination's admin state."""
        return self.admin.get(service, {}).get(destination, Admin.ENABLED)

    def with_admin(self, service: str, destination: str, admin: Admin) -> "State":
        """Return the state with one destination's admin state changed."""
        destinations = dict(self.admin.get(service, {}))
        destinations[destination] = admin
        if admin is Admin.ENABLED:
            del destinations[destination]
        services = {**self.admin, service: destinations}
        return msgspec.structs.replace(self, admin={name: kept for name, kept in services.items() if kept})
