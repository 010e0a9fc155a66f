from feedback.director.state import State
from feedback.model import Admin


def test_a_destination_is_enabled_unless_said_otherwise() -> None:
    assert State().admin_of("web", "rs1") is Admin.ENABLED


def test_enabled_is_not_kept() -> None:
    state = State().with_admin("web", "rs1", Admin.DRAIN)
    assert state.admin_of("web", "rs1") is Admin.DRAIN
    assert state.with_admin("web", "rs1", Admin.ENABLED) == State()


def test_other_destinations_keep_their_state() -> None:
    state = State().with_admin("web", "rs1", Admin.DRAIN).with_admin("web", "rs2", Admin.MAINTENANCE)
    assert state.with_admin("web", "rs2", Admin.ENABLED).admin == {"web": {"rs1": Admin.DRAIN}}
