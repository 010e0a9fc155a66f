"""What the tests of feeds share."""

import pytest

from feedback.director import estimate


@pytest.fixture(autouse=True)
def _soon_stale(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an answer be stale after half a second, and not after three: so that nobody has to wait for it."""
    if request.node.get_closest_marker("loopback"):
        monkeypatch.setattr(estimate, "STALE_AFTER_SECONDS", 0.5)
