import socket

import pytest

from feedback.cli import main
from tests.places import own_address

pytestmark = pytest.mark.loopback


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--for", "10s"], "must be at least 30s: the story takes that long"),
        (["--for", "60"], "must have a unit, like 2s"),
        (
            ["--listen", "192.0.2.1:8600"],
            '"192.0.2.1:8600" must be on loopback, like 127.0.0.1:8600: the demo has no token',
        ),
        (["--vip", "8080"], '"8080" must be an IP address and a port, like 192.0.2.10:80 or [2001:db8::10]:80'),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", *words])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--listen", "--vip"])
def test_a_port_in_use_is_named_with_the_option_that_chooses_another(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address = own_address()
    with socket.create_server((address, 0)) as taken:
        in_use = f"{address}:{taken.getsockname()[1]}"
        addresses = {"--listen": f"{address}:8000", "--vip": f"{address}:8000", option: in_use}
        words = [word for pair in addresses.items() for word in pair]
        assert main(["demo", "--for", "30s", "--json", *words]) == 1
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == (
        f"feedback demo: {in_use} can't be listened on (Address already in use): "
        f"choose another address with {option} HOST:PORT"
    )
    assert said.out == ""
