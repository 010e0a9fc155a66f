"""What tests of checks on loopback share."""

import pytest

from tests.checks.tls_files import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return a CA that the system does not know."""
    return Authority(tmp_path_factory.mktemp("authority"))
