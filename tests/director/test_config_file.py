"""director.yaml as frozen values: what is inherited, what is a default, and what is refused in which words."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from feedback.director.config import (
    Cadence,
    Dependency,
    DirectorConfig,
    OverflowConfig,
    OverloadConfig,
    ServiceConfig,
    WeightsConfig,
)
from feedback.director.config_file import load_director_config
from feedback.director.config_shape import parse_prefix
from feedback.errors import ConfigError
from feedback.model import Endpoint, Family, Forwarding, ServiceKey, Transport
from feedback.secret import Secret
from tests import made_up

Load = Callable[[str], DirectorConfig]
Refuse = Callable[[str], list[str]]
LoadService = Callable[[str], ServiceConfig]


@pytest.fixture(autouse=True)
def plugins() -> Iterator[None]:
    with made_up.plugins():
        yield


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return a function that loads a text as director.yaml of the working directory."""
    monkeypatch.chdir(tmp_path)

    def read(text: str) -> DirectorConfig:
        Path("director.yaml").write_text(dedent(text))
        return load_director_config("director.yaml")

    return read


@pytest.fixture
def refuse(load: Load) -> Refuse:
    """Return a function that loads a text and returns everything wrong with it."""

    def read(text: str) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            load(text)
        return list(raised.value.problems)

    return read


@pytest.fixture
def service(load: Load) -> LoadService:
    """Return a function that loads the lines of one service."""

    def read(text: str) -> ServiceConfig:
        return load("services:\n  web:\n" + "".join(f"    {line}\n" for line in dedent(text).splitlines())).services[
            "web"
        ]

    return read


@pytest.fixture
def refuse_service(refuse: Refuse) -> Refuse:
    """Return a function that loads the lines of one service and returns what is wrong, without file and path."""

    def read(text: str) -> list[str]:
        problems = refuse("services:\n  web:\n" + "".join(f"    {line}\n" for line in dedent(text).splitlines()))
        return [problem.partition(": ")[2].removeprefix("services.") for problem in problems]

    return read


AN_ENDPOINT = "an IP address and a port, like 192.0.2.10:80 or [2001:db8::10]:80"
SMALL = "address: 192.0.2.10:80\ndestinations: {rs1: 10.2.0.11:8080}\n"
TWINS = """\
services:
  a: {address: 192.0.2.10:80, destinations: {}}
  b: {address: 192.0.2.10:80, destinations: {}}
  c: {address: 192.0.2.10:80, protocol: udp, destinations: {}}
  d: {fwmark: 1, destinations: {}}
  e: {fwmark: 1, destinations: {}}
  f: {fwmark: 1, family: ipv6, destinations: {}}
"""
MARK = "fwmark: 7\ndestinations: {rs1: 10.2.0.11}\n"


def test_everything_is_read(load: Load) -> None:
    config = load("""\
        director:
          name: lvs1
          table: memory
          listen: "[::1]:8601"
          on_exit: clear
          state_file: /tmp/state
        services:
          web:
            address: 192.0.2.10:80
            protocol: udp
            scheduler: wrr
            forwarding: direct
            persistence: 5m
            persistence_netmask: 255.255.255.0
            fallback: 10.2.0.9:80
            min_healthy: 0.5
            health: {at_least: 2}
            on_failure: quiesce
            drain_timeout: 0s
            check: {interval: 10s, fast_interval: 1s, timeout: 3s, rise: 1, fall: 4}
            checks:
              - page: {path: /alive, status: [200, 2xx], port: 9000, fall: 1}
              - knock
              - page:
            weights:
              policy: moody
              response: 20s
              load: {cpu: 1, queue.mail: 0.5}
              floor: 0.1
              ceiling: 5
              slow_start: 30s
            destinations:
              rs1: {address: 10.2.0.11:80, weight: 50, forwarding: masquerade, agent: host1}
              rs2: 10.2.0.12:80
        """)
    web = config.services["web"]
    assert (config.name, config.table, config.listen) == ("lvs1", "memory", Endpoint("::1", 8601))
    assert (config.on_exit, config.state_file, config.token, config.warnings) == ("clear", "/tmp/state", None, ())
    assert (web.name, web.key) == ("web", ServiceKey(Family.IPV4, "udp", "192.0.2.10", 80))
    assert (web.scheduler, web.forwarding) == ("wrr", Forwarding.DIRECT)
    assert (web.persistence_seconds, web.persistence_prefix) == (300, 24)
    assert (web.fallback, web.min_healthy_ratio) == (Endpoint("10.2.0.9", 80), 0.5)
    assert (web.on_failure, web.drain_timeout_seconds, web.must_pass) == ("quiesce", 0.0, 2)
    assert [check.name for check in web.checks] == ["page", "knock", "page#2"]
    cadence = Cadence(interval_seconds=10.0, fast_interval_seconds=1.0, timeout_seconds=3.0, rise=1, fall=4)
    assert web.checks[1].cadence == cadence == web.checks[2].cadence
    assert web.checks[0].cadence.fall == 1
    page: Any = web.checks[0].check
    assert (page.path, page.status, page.port) == ("/alive", [200, "2xx"], 9000)
    assert web.weights == WeightsConfig(
        policy="moody",
        response_seconds=20.0,
        load={"cpu": 1.0, "queue.mail": 0.5},
        floor_ratio=0.1,
        ceiling_ratio=5.0,
        slow_start_seconds=30.0,
    )
    first, second = web.destinations["rs1"], web.destinations["rs2"]
    assert (first.key, first.base_weight, first.agent) == (Endpoint("10.2.0.11", 80), 50, "host1")
    assert first.forwarding is Forwarding.MASQUERADE
    assert (second.name, second.base_weight, second.agent) == ("rs2", 100, "rs2")
    assert second.forwarding is Forwarding.DIRECT


def test_defaults_are_those_of_the_documentation(load: Load) -> None:
    config = load("services: {web: {address: 192.0.2.10:80, checks: [knock], destinations: {rs1: 10.2.0.11:8080}}}")
    web = config.services["web"]
    assert (config.name, config.table, config.listen) == (socket.gethostname(), "kernel", Endpoint("127.0.0.1", 8600))
    assert (config.on_exit, config.state_file) == ("keep", "/var/lib/feedback/director.state")
    assert (web.key.protocol, web.scheduler, web.forwarding) == (Transport.TCP, "wlc", Forwarding.MASQUERADE)
    assert (web.persistence_seconds, web.persistence_prefix, web.fallback) == (0, None, None)
    assert (web.min_healthy_ratio, web.on_failure, web.drain_timeout_seconds) == (0.0, "remove", 300.0)
    assert web.checks[0].cadence == Cadence()
    assert (web.must_pass, web.checks[0].depends_on) == (None, ())
    assert web.weights == WeightsConfig(policy="static")
    assert web.destinations["rs1"].base_weight == 100


def test_the_memory_table_has_no_state_file_unless_told(load: Load) -> None:
    text = "director: {table: memory}\nservices: {web: {address: 192.0.2.10:80, destinations: {rs1: 10.2.0.11:80}}}"
    assert load(text).state_file is None


def test_services_inherit_and_override_the_defaults_key_by_key(load: Load) -> None:
    config = load("""\
        defaults:
          scheduler: lc
          forwarding: tunnel
          on_failure: quiesce
          drain_timeout: 1m
          check: {interval: 8s, timeout: 4s, rise: 5}
          weights: {policy: moody, floor: 0.2, load: {cpu: 1}}
        services:
          heir: {address: 192.0.2.10:80, checks: [knock], destinations: {rs1: 10.2.0.11:80}}
          rebel:
            address: 192.0.2.11:80
            scheduler: rr
            forwarding: masquerade
            on_failure: remove
            drain_timeout: 2m
            check: {timeout: 1s}
            weights: {floor: 0.3, load: {}}
            checks: [{knock: {rise: 1}}]
            destinations: {rs1: 10.2.0.11:80}
        """)
    heir, rebel = config.services["heir"], config.services["rebel"]
    assert (heir.scheduler, heir.forwarding, heir.on_failure) == ("lc", Forwarding.TUNNEL, "quiesce")
    assert (heir.drain_timeout_seconds, heir.destinations["rs1"].forwarding) == (60.0, Forwarding.TUNNEL)
    assert (rebel.scheduler, rebel.forwarding, rebel.on_failure) == ("rr", Forwarding.MASQUERADE, "remove")
    assert rebel.drain_timeout_seconds == 120.0
    assert heir.checks[0].cadence == Cadence(
        interval_seconds=8.0, fast_interval_seconds=2.0, timeout_seconds=4.0, rise=5, fall=3
    )
    assert rebel.checks[0].cadence == Cadence(
        interval_seconds=8.0, fast_interval_seconds=2.0, timeout_seconds=1.0, rise=1, fall=3
    )
    assert (heir.weights.policy, heir.weights.floor_ratio, heir.weights.load) == ("moody", 0.2, {"cpu": 1.0})
    assert (rebel.weights.policy, rebel.weights.floor_ratio, rebel.weights.load) == ("moody", 0.3, {})


@pytest.mark.parametrize(
    ("interval", "fast"), [("2s", 0.5), ("1s", 0.25), ("200ms", 0.1), ("50ms", 0.05), ("1m", 15.0)]
)
def test_the_fast_interval_is_a_quarter_within_bounds(service: LoadService, interval: str, fast: float) -> None:
    web = service(f"{SMALL}checks: [knock]\ncheck: {{interval: {interval}}}")
    assert web.checks[0].cadence.fast_interval_seconds == fast


def test_an_inherited_fast_interval_gives_way_to_a_shorter_interval(load: Load) -> None:
    config = load(
        "defaults: {check: {interval: 10s, fast_interval: 2s}}\n"
        "services: {web: {address: 192.0.2.10:80, check: {interval: 1s}, checks: [knock], destinations: {}}}"
    )
    assert config.services["web"].checks[0].cadence.fast_interval_seconds == 1.0


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("address: 192.0.2.10:80\nprotocol: sctp", ServiceKey(Family.IPV4, "sctp", "192.0.2.10", 80)),
        ("address: '[2001:DB8::10]:80'", ServiceKey(Family.IPV6, "tcp", "2001:db8::10", 80)),
        ("fwmark: 0x10", ServiceKey(Family.IPV4, fwmark=16)),
        ("fwmark: 7\nfamily: ipv6", ServiceKey(Family.IPV6, fwmark=7)),
    ],
)
def test_a_service_is_known_by_its_address_or_its_mark(service: LoadService, text: str, key: ServiceKey) -> None:
    assert service(f"{text}\ndestinations: {{}}").key == key


def test_a_marks_destinations_may_have_no_port(service: LoadService) -> None:
    web = service("fwmark: 7\nchecks: [{knock: {port: 80}}]\ndestinations: {a: 10.2.0.11, b: 10.2.0.12:80}")
    assert [one.key for one in web.destinations.values()] == [Endpoint("10.2.0.11", 0), Endpoint("10.2.0.12", 80)]


def test_tunnels_may_lead_to_the_other_family(service: LoadService) -> None:
    web = service("address: 192.0.2.10:80\nforwarding: tunnel\ndestinations: {a: '[2001:db8::1]:80'}")
    assert web.destinations["a"].key == Endpoint("2001:db8::1", 80)


@pytest.mark.parametrize(
    ("mask", "family", "prefix"),
    [
        ("255.255.255.0", Family.IPV4, 24),
        ("/16", Family.IPV4, 16),
        (32, Family.IPV4, 32),
        ("255.255.255.255", Family.IPV4, 32),
        (64, Family.IPV6, 64),
        ("128", Family.IPV6, 128),
    ],
)
def test_a_client_netmask_is_a_prefix_length(mask: int | str, family: Family, prefix: int) -> None:
    assert parse_prefix(mask, family) == prefix


@pytest.mark.parametrize("mask", [0, 33, "255.0.255.0", "0.0.0.255", "0.0.0.0", "abc", ""])
def test_what_is_no_ipv4_netmask_is_refused(mask: int | str) -> None:
    with pytest.raises(ValueError, match=r"^must be a mask like 255\.255\.255\.0, or a prefix length from 1 to 32$"):
        parse_prefix(mask, Family.IPV4)


@pytest.mark.parametrize("mask", [0, 129, "255.255.255.0", "ffff::"])
def test_what_is_no_ipv6_prefix_is_refused(mask: int | str) -> None:
    with pytest.raises(ValueError, match=r"^must be a prefix length from 1 to 128$"):
        parse_prefix(mask, Family.IPV6)


@pytest.mark.parametrize(("mask", "prefix"), [("255.255.255.0", 24), ("255.255.255.255", None), ("32", None)])
def test_a_netmask_of_full_length_is_none(service: LoadService, mask: str, prefix: int | None) -> None:
    web = service(f"{SMALL}persistence: 60s\npersistence_netmask: {mask}")
    assert web.persistence_prefix == prefix


def test_a_token_is_read_from_its_file(load: Load, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    token.chmod(0o600)
    config = load(
        f"director: {{listen: 0.0.0.0:8600, token_file: {token}}}\n"
        "services: {web: {address: 192.0.2.10:80, destinations: {rs1: 10.2.0.11:80}}}"
    )
    assert config.token == Secret("0123456789abcdef")


def test_ten_mistakes_are_ten_lines(refuse: Refuse) -> None:
    problems = refuse("""\
        director:
          listen: 0.0.0.0:8600
          colour: red
        defaults:
          check: {interval: 2}
        services:
          web:
            address: 192.0.2.10:80
            schedular: wlc
            persistence: 1500ms
            checks:
              - page: {path: alive}
            weights:
              policy: hopeful
            destinations:
              rs1: 10.2.0.11
              rs2: {address: 10.2.0.12:8080, weight: 70000}
              rs3: "[2001:db8::13]:8080"
        """)
    policies = "availability, equalize, latency, moody, static"
    assert problems == [
        (
            "director.yaml:2: director.listen: 0.0.0.0:8600 is open to other hosts and needs token_file: "
            "a file with a token for agents and operators; or, better, tls: `feedback pki init` makes what it takes"
        ),
        (
            "director.yaml:3: director.colour: unknown key; "
            "known keys: listen, name, on_exit, probe_marks, state_file, table, tls, token_file"
        ),
        "director.yaml:5: defaults.check.interval: must have a unit, like 2s",
        "director.yaml:9: services.web.schedular: unknown key; did you mean scheduler?",
        "director.yaml:10: services.web.persistence: must be whole seconds, like 300s",
        'director.yaml:12: services.web.checks[0].page.path: must start with "/"',
        f'director.yaml:14: services.web.weights.policy: there is no policy "hopeful"; there are: {policies}',
        (
            'director.yaml:16: services.web.destinations.rs1: "10.2.0.11" has no port: '
            "write it like 192.0.2.10:80 or [2001:db8::10]:80"
        ),
        "director.yaml:17: services.web.destinations.rs2.weight: must be from 0 to 65535, not 70000",
        (
            "director.yaml:18: services.web.destinations.rs3: must be ipv4 like the service: "
            "only tunnel forwarding goes from one to the other"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("- a", ["director.yaml:1: must be a mapping, not a list"]),
        ("director: {}", ["director.yaml:1: services: is missing: the virtual services by name"]),
        ("services:", ["director.yaml:1: services: must have at least one service"]),
        (
            "services: {a b: {}}",
            ['director.yaml:1: services.a b: must be a name: letters, digits, ".", "_" and "-", at most 128'],
        ),
        ("services: {web: 5}", ["director.yaml:1: services.web: must be a mapping, not 5"]),
        (
            "services: {web: }",
            [
                "director.yaml:1: services.web.destinations: is missing: the realservers, like rs1: 10.2.0.11:8080",
                "director.yaml:1: services.web: must have an address, like 192.0.2.10:80, or a fwmark",
            ],
        ),
        (
            "director: {listen: 5}\nservices: {web: {address: 192.0.2.10:80, destinations: {a: 10.0.0.1:80}}}",
            [f'director.yaml:1: director.listen: "5" must be {AN_ENDPOINT}'],
        ),
        (
            (
                "director: {listen: 0.0.0.0:8600, token_file: /no/token}\n"
                "services: {web: {address: 192.0.2.10:80, destinations: {a: 10.0.0.1:80}}}"
            ),
            ["director.yaml:1: director.token_file: /no/token can't be read: No such file or directory"],
        ),
        (
            TWINS,
            [
                "director.yaml:3: services.b.address: tcp 192.0.2.10:80 is the service a already",
                "director.yaml:6: services.e.fwmark: fwmark 1 ipv4 is the service d already",
            ],
        ),
        (
            "defaults: {forwarding: tunel}\nservices: {web: {address: 192.0.2.10:80, destinations: {a: '[::1]:80'}}}",
            ['director.yaml:1: defaults.forwarding: must be masquerade, direct or tunnel, not "tunel"'],
        ),
        (
            (
                "defaults: {weights: {policy: nope}}\nservices: {a: {address: 192.0.2.10:80, destinations: {}}, "
                "b: {address: 192.0.2.11:80, destinations: {}}}"
            ),
            [
                (
                    'director.yaml:1: defaults.weights.policy: there is no policy "nope"; '
                    "there are: availability, equalize, latency, moody, static"
                )
            ],
        ),
    ],
)
def test_what_is_wrong_with_the_file(refuse: Refuse, text: str, problems: list[str]) -> None:
    assert refuse(text) == problems


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (SMALL + "fwmark: 1", ["web.fwmark: must be left out: the service has an address already"]),
        (MARK + "protocol: tcp", ["web.protocol: must be left out: a firewall mark goes for all protocols"]),
        (SMALL + "family: ipv4", ["web.family: must be left out: it goes with a fwmark; an address shows its own"]),
        (MARK.replace("7", "0"), ["web.fwmark: must be from 1 to 4294967295, not 0"]),
        (
            SMALL.replace("192.0.2.10:80", "web:80"),
            [f'web.address: "web:80" must be {AN_ENDPOINT}'],
        ),
        (SMALL + "persistence: 0s", ['web.persistence: must be from 1s to 744h, not "0s"']),
        (SMALL + "persistence_netmask: 24", ["web.persistence_netmask: goes with persistence, and there is none"]),
        (
            SMALL + "persistence: 1m\npersistence_netmask: 40",
            ["web.persistence_netmask: must be a mask like 255.255.255.0, or a prefix length from 1 to 32"],
        ),
        (
            SMALL + "scheduler: best",
            ['web.scheduler: must be rr, wrr, lc, wlc, lblc, lblcr, sh, mh, dh, fo, ovf, sed, nq or twos, not "best"'],
        ),
        (SMALL + "fallback: 10.2.0.11:8080", ["web.fallback: must be another server than the destination rs1"]),
        (
            SMALL + "fallback: '[::1]:80'",
            ["web.fallback: must be ipv4 like the service: only tunnel forwarding goes from one to the other"],
        ),
        (
            SMALL.replace("8080", "80") + "forwarding: direct\nfallback: 127.0.0.1:8080",
            ["web.fallback: must have the service's port, 80: direct forwarding does not change ports"],
        ),
        (
            SMALL + "forwarding: tunnel",
            ["web.destinations.rs1: must have the service's port, 80: tunnel forwarding does not change ports"],
        ),
        (
            "address: 192.0.2.10:80\ndestinations: {a: {address: 10.2.0.1:81, forwarding: direct}}",
            ["web.destinations.a.address: must have the service's port, 80: direct forwarding does not change ports"],
        ),
        (
            "address: 192.0.2.10:80\ndestinations: {a: 10.2.0.1:80, b: {address: 10.2.0.1:80}}",
            ["web.destinations.b.address: 10.2.0.1:80 is the address of a already"],
        ),
        (
            "address: 192.0.2.10:80\ndestinations: {a: {weight: 1}}",
            ["web.destinations.a.address: is missing: where it listens, like 10.2.0.11:8080"],
        ),
        (
            "address: 192.0.2.10:80\ndestinations: {a: [10.2.0.1:80]}",
            ["web.destinations.a: must be a mapping, not a list"],
        ),
        (
            SMALL + "checks: [nothing: {}, 5]",
            ["web.checks[1]: must be a check like tcp, or a check and its options like http: {path: /alive}"],
        ),
        (
            SMALL + "checks: [{page: {}, knock: {}}]",
            ["web.checks[0]: must be a check like tcp, or a check and its options like http: {path: /alive}"],
        ),
        (
            SMALL + "checks: [{page: {interval: 1s, fast_interval: 2s}}]",
            ["web.checks[0].page.fast_interval: must be at most the interval, 1s"],
        ),
        (SMALL + "checks: [{page: {tiemout: 2s}}]", ["web.checks[0].page.tiemout: unknown key; did you mean timeout?"]),
        (SMALL + "checks: [{page: [a]}]", ["web.checks[0].page: must be a mapping, not a list"]),
        (
            SMALL + "check: {rise: 0, timeout: 0s}",
            ['web.check.timeout: must be from 10ms to 24h, not "0s"', "web.check.rise: must be from 1 to 1000, not 0"],
        ),
        (MARK + "checks: [page: {port: 80}, knock]", ["web.checks[1]: must have a port: the destination rs1 has none"]),
        (
            SMALL + "weights: {floor: 0, ceiling: 0.5, response: 0s}",
            [
                'web.weights.response: must be more than 0s, not "0s"',
                "web.weights.floor: must be more than 0 and at most 1, not 0",
                "web.weights.ceiling: must be from 1 to 1000, not 0.5",
            ],
        ),
        (SMALL + "overflow: 10.2.0.11:8080", ["web.overflow: must be another server than the destination rs1"]),
        (SMALL + "overflow: sorry", [f'web.overflow: "sorry" must be {AN_ENDPOINT}']),
        (
            SMALL + "overflow: {address: '10.2.0.99:80', max_share: 1}",
            ["web.overflow.max_share: must be from 0.05 to 0.95, not 1"],
        ),
        (
            SMALL + "overflow: {address: '[::1]:80'}",
            ["web.overflow.address: must be ipv4 like the service: only tunnel forwarding goes from one to the other"],
        ),
        (
            SMALL + "overflow: {address: 10.2.0.99:8080, forwarding: direct}",
            ["web.overflow.address: must have the service's port, 80: direct forwarding does not change ports"],
        ),
        (
            SMALL + "overflow: {max_share: 0.5}",
            ["web.overflow.address: is missing: where it listens, like 10.2.0.99:8080"],
        ),
        (SMALL + "overload: {above: 0.8}", ["web.overload.below: must be less than above, 0.8, not 0.85"]),
        (SMALL + "overload: {above: 1.2}", ["web.overload.above: must be more than 0 and at most 1, not 1.2"]),
        (SMALL + "connections: {upper: -1}", ["web.connections.upper: must be from 0 to 2147483647, not -1"]),
        (SMALL + "connections: {upper: 5, lower: 6}", ["web.connections.lower: must be at most upper, 5"]),
        (
            "address: 192.0.2.10:80\ndestinations: {a: {address: 10.2.0.1:81, connections: {lower: 6}}}",
            ["web.destinations.a.connections.lower: must be at most upper, 0"],
        ),
        (SMALL + "weights: {load: {cpu: -1}}", ["web.weights.load.cpu: must be more than 0, not -1"]),
        (SMALL + "weights: {policy: moody, floor: 0.6}", ["web.weights.floor: must be at most 0.5 for this policy"]),
    ],
)
def test_what_is_wrong_with_a_service(refuse_service: Refuse, text: str, problems: list[str]) -> None:
    found = refuse_service(text)
    if "nothing" in text:
        assert found.pop(0).startswith('web.checks[0].nothing: there is no check "nothing"; there are: ')
    assert found == problems


def test_what_is_seldom_meant_is_a_warning(load: Load) -> None:
    config = load("""\
        services:
          bare: {address: 192.0.2.10:80, destinations: {rs1: 10.2.0.11:80}}
          empty: {address: 192.0.2.11:80, weights: &w {policy: moody}, destinations: {}}
          blind: {address: 192.0.2.12:80, scheduler: rr, weights: *w, checks: [knock], destinations: {a: 10.2.0.1:80}}
          ranks: {address: 192.0.2.13:80, scheduler: fo, weights: *w, checks: [knock], destinations: {a: 10.2.0.1:80}}
          plain: {address: 192.0.2.14:80, scheduler: rr, checks: [knock], destinations: {a: 10.2.0.1:80}}
          all: {address: 192.0.2.15:80, scheduler: sh, checks: [tcp], destinations: &d {a: 10.2.0.1:80, b: 10.2.0.2:80}}
          over: {address: 192.0.2.16:80, scheduler: sh, checks: [knock], destinations: {<<: *d, c: 10.2.0.3:80}}
        """)
    assert config.warnings == (
        "director.yaml:2: services.bare: has no checks: its destinations are used whether they work or not",
        "director.yaml:3: services.empty: has no destinations",
        "director.yaml:4: services.blind: the scheduler rr does not look at weights: the policy moody changes nothing",
        "director.yaml:5: services.ranks: the scheduler fo takes weights for ranks or limits: moody changes nothing",
        (
            "director.yaml:8: services.over: the scheduler sh has 256 places, one for each unit of weight, and the "
            "weights add up to 300: its last destinations get few clients or none"
        ),
    )


def test_overload_is_inherited_key_by_key_and_an_overflow_has_a_long_form(load: Load) -> None:
    services = load("""\
        defaults: {forwarding: tunnel, overload: {above: 0.9}}
        services:
          web:
            address: 192.0.2.10:80
            overload: {below: 0.7}
            overflow: {address: "[2001:db8::99]:80", max_share: 0.5}
            destinations: {}
          dns: {address: 192.0.2.10:53, forwarding: masquerade, overflow: 10.2.0.99:5353, destinations: {}}
        """).services
    assert services["web"].overload == OverloadConfig(above=0.9, below=0.7)
    assert services["web"].overflow == OverflowConfig(
        key=Endpoint("2001:db8::99", 80), forwarding=Forwarding.TUNNEL, max_share=0.5
    )
    assert services["dns"].overload == OverloadConfig(above=0.9, below=0.85)
    assert services["dns"].overflow == OverflowConfig(
        key=Endpoint("10.2.0.99", 5353), forwarding=Forwarding.MASQUERADE, max_share=0.9
    )


def test_a_service_without_them_has_no_overflow_and_no_limit_of_connections(load: Load) -> None:
    web = load("services: {web: {address: 192.0.2.10:80, destinations: {rs1: 10.2.0.11:80}}}").services["web"]
    assert (web.overload, web.overflow) == (OverloadConfig(above=0.95, below=0.85), None)
    assert (web.destinations["rs1"].upper_threshold, web.destinations["rs1"].lower_threshold) == (0, 0)


def test_a_destination_has_the_services_thresholds_or_its_own_pair(load: Load) -> None:
    text = """\
        services:
          web:
            address: 192.0.2.10:80
            connections: {upper: 200, lower: 180}
            destinations:
              rs1: 10.2.0.11:80
              rs2: {address: 10.2.0.12:80, connections: {upper: 100}}
              rs3: {address: 10.2.0.13:80, connections: {upper: 0}}
        """
    found = load(text).services["web"].destinations.values()
    assert [(one.upper_threshold, one.lower_threshold) for one in found] == [(200, 180), (100, 0), (0, 0)]


def test_what_a_scheduler_makes_of_an_overflow_and_of_thresholds_is_a_warning(load: Load) -> None:
    config = load("""\
        services:
          blind: &b {address: 192.0.2.1:80, scheduler: rr, checks: [tcp], destinations: {a: 10.2.0.1:80},
            overflow: 10.2.0.9:80}
          ranks: {<<: *b, address: 192.0.2.2:80, scheduler: ovf}
          hash: {<<: *b, address: 192.0.2.3:80, scheduler: mh, connections: {upper: 9}}
          plain: {<<: *b, address: 192.0.2.4:80, scheduler: wlc, connections: {upper: 9}}
        """)
    assert config.warnings == (
        (
            "director.yaml:3: services.blind.overflow: the scheduler rr does not look at weights: "
            "the overflow gets as much as each destination"
        ),
        (
            "director.yaml:3: services.ranks.overflow: the scheduler ovf takes weights for ranks or limits: "
            "the overflow comes last"
        ),
        (
            "director.yaml:5: services.hash: the scheduler mh refuses a client whose destination has its upper number "
            "of connections (a): it sends him nowhere else"
        ),
    )


def test_a_loopback_address_that_a_kernel_masquerades_to_is_a_warning(load: Load) -> None:
    text = """\
        director: {table: kernel}
        services:
          web:
            address: 192.0.2.10:80
            fallback: 127.0.0.1:8080
            checks: [knock]
            destinations: {rs1: 10.2.0.11:80, rs2: {address: 127.0.0.2:80, forwarding: direct}, rs3: 127.0.0.3:80}
          six: {address: "[2001:db8::10]:80", fallback: "[::1]:8080", checks: [knock], destinations: {}}
          over: {address: 192.0.2.11:80, overflow: {address: 127.0.0.9:80}, checks: [knock], destinations: {}}
        """
    out_of_reach = (
        "is out of clients' reach: the kernel masquerades nothing from outside to a loopback address; "
        "write another address of this host"
    )
    assert load(text).warnings == (
        f"director.yaml:5: services.web.fallback: 127.0.0.1:8080 {out_of_reach}",
        f"director.yaml:7: services.web.destinations.rs3: 127.0.0.3:80 {out_of_reach}",
        "director.yaml:8: services.six: has no destinations",
        f"director.yaml:8: services.six.fallback: [::1]:8080 {out_of_reach}",
        "director.yaml:9: services.over: has no destinations",
        f"director.yaml:9: services.over.overflow.address: 127.0.0.9:80 {out_of_reach}",
    )
    assert load(text.replace("kernel", "memory")).warnings == (
        "director.yaml:8: services.six: has no destinations",
        "director.yaml:9: services.over: has no destinations",
    )


@pytest.mark.parametrize(
    ("defaults", "own", "must_pass"),
    [
        ("all", "", None),
        ("any", "", 1),
        ("{at_least: 2}", "", 2),
        ("any", "health: all", None),
        ("all", "health: any", 1),
        ("all", "health: {at_least: 2}", 2),
    ],
)
def test_how_many_checks_must_pass_is_inherited(load: Load, defaults: str, own: str, must_pass: int | None) -> None:
    config = load(f"""\
        defaults: {{health: {defaults}}}
        services:
          web:
            address: 192.0.2.10:80
            checks: [knock, knock, knock]
            destinations: {{rs1: 10.2.0.11:80}}
            {own}
        """)
    assert config.services["web"].must_pass == must_pass
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "health: {at_least: 3}\nchecks: [knock, knock]",
            ["web.health.at_least: must be at most the number of checks, which is 2 in web"],
        ),
        ("health: {at_least: 0}\nchecks: [knock]", ["web.health.at_least: must be at least 1, not 0"]),
        ("health: {at_least: 2}", ["web.health.at_least: must be at most the number of checks, which is 0 in web"]),
        ("health: {atleast: 2}", ["web.health.atleast: unknown key; did you mean at_least?"]),
        ("health: some\nchecks: [knock]", ['web.health: must be all or any, not "some"']),
        (
            "health: {at_least: 3}\nchecks: [knock, 5]",
            ["web.checks[1]: must be a check like tcp, or a check and its options like http: {path: /alive}"],
        ),
    ],
)
def test_what_is_wrong_with_the_health_of_a_service(refuse_service: Refuse, text: str, problems: list[str]) -> None:
    found = refuse_service(SMALL + text)
    assert [problem for problem in found if "is missing" not in problem] == problems


def test_an_inherited_health_that_a_service_can_not_have_is_refused_where_it_stands(refuse: Refuse) -> None:
    assert refuse("""\
        defaults: {health: {at_least: 2}}
        services:
          web: {address: 192.0.2.10:80, checks: [knock], destinations: {rs1: 10.2.0.11:80}}
        """) == ["director.yaml:1: defaults.health.at_least: must be at most the number of checks, which is 1 in web"]


def test_a_health_that_changes_nothing_is_a_warning_where_the_service_says_it_itself(load: Load) -> None:
    config = load("""\
        defaults: {health: any}
        services:
          one: {address: 192.0.2.10:80, health: any, checks: [knock], destinations: {rs1: 10.2.0.11:80}}
          two:
            address: 192.0.2.11:80
            health: {at_least: 2}
            checks: [knock, knock]
            destinations: {rs1: 10.2.0.11:80}
          heir: {address: 192.0.2.12:80, checks: [knock], destinations: {rs1: 10.2.0.11:80}}
        """)
    assert config.warnings == (
        "director.yaml:3: services.one.health: changes nothing: one has 1 check",
        "director.yaml:6: services.two.health: changes nothing: two has 2 checks",
    )


DEPENDENT = """\
services:
  web:
    address: 192.0.2.10:80
    check: {depends_on: CHECK}
    checks:
      - knock: {depends_on: OWN}
      - knock
    destinations: {rs1: 10.2.0.11:80}
  db: {address: 192.0.2.11:80, checks: [knock], destinations: {db1: 10.2.0.21:80, db2: 10.2.0.22:80}}
  dns: {address: 192.0.2.12:53, checks: [knock], destinations: {ns1: 10.2.0.31:53}}
"""


def dependent(own: str, check: str = "[]") -> str:
    return DEPENDENT.replace("OWN", own).replace("CHECK", check)


@pytest.mark.parametrize(
    ("own", "check", "first", "second"),
    [
        ("db", "[]", ["db"], []),
        ("db/db2", "dns", ["db/db2"], ["dns"]),
        ("[db/db1, dns]", "db", ["db/db1", "dns"], ["db"]),
        ("[]", "db", [], ["db"]),
        ("", "db", ["db"], ["db"]),
    ],
)
def test_what_a_check_depends_on_is_inherited(
    load: Load, own: str, check: str, first: list[str], second: list[str]
) -> None:
    config = load(dependent(own, check))
    assert [list(map(str, one.depends_on)) for one in config.services["web"].checks] == [first, second]
    assert config.warnings == ()


def test_a_dependency_is_a_service_or_one_of_its_destinations(load: Load) -> None:
    (check, _) = load(dependent("[db, db/db1]")).services["web"].checks
    assert check.depends_on == (Dependency("db"), Dependency("db", "db1"))


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ("dbs", '6: services.web.checks[0].knock.depends_on: there is no service "dbs"; there are: web, db, dns'),
        (
            "[dns, db/db9]",
            ('6: services.web.checks[0].knock.depends_on[1]: there is no destination "db9" in db; there are: db1, db2'),
        ),
        (
            "web",
            (
                "6: services.web.checks[0].knock.depends_on: must be another service: "
                "a check can't depend on what it decides itself"
            ),
        ),
        (
            "web/rs1",
            (
                "6: services.web.checks[0].knock.depends_on: must be another service: "
                "a check can't depend on what it decides itself"
            ),
        ),
        (
            "{db: db1}",
            (
                "6: services.web.checks[0].knock.depends_on: must be service or service/destination or "
                "list of service or service/destination, not a mapping"
            ),
        ),
        (
            "[[db]]",
            "6: services.web.checks[0].knock.depends_on[0]: must be service or service/destination, not a list",
        ),
    ],
)
def test_what_a_check_can_not_depend_on(refuse: Refuse, own: str, problem: str) -> None:
    assert refuse(dependent(own)) == [f"director.yaml:{problem}"]


def test_dependencies_do_not_go_in_a_circle(refuse: Refuse) -> None:
    text = """\
        defaults: {check: {depends_on: dns}}
        services:
          web: {address: 192.0.2.10:80, checks: [{knock: {depends_on: db/d}}, knock], destinations: {}}
          db: {address: 192.0.2.11:80, check: {depends_on: [dns, web]}, checks: [knock], destinations: {d: 10.0.0.1:1}}
          dns: {address: 192.0.2.12:53, checks: [{knock: {depends_on: []}}], destinations: {}}
        """
    assert refuse(text) == [
        "director.yaml:3: services.web.checks[0].knock.depends_on: goes in a circle: web -> db -> web",
        "director.yaml:4: services.db.check.depends_on[1]: goes in a circle: db -> web -> db",
    ]
    assert refuse(text.replace("depends_on: []", "rise: 1"))[0] == (
        "director.yaml:1: defaults.check.depends_on: must be another service: "
        "a check can't depend on what it decides itself"
    )


def test_what_can_not_be_read_is_not_said_to_be_unknown(refuse: Refuse) -> None:
    problems = refuse(
        dependent("[db/db1, mail/mx1, void/rs9]").replace("db1: 10.2.0.21:80", "db1: 10.2.0.21")
        + ("  mail: 5\n  void: {address: 192.0.2.13:80, checks: [], destinations: {}}\n")
    )
    assert problems == [
        (
            'director.yaml:6: services.web.checks[0].knock.depends_on[2]: there is no destination "rs9" in void; '
            "there is none"
        ),
        (
            'director.yaml:9: services.db.destinations.db1: "10.2.0.21" has no port: '
            "write it like 192.0.2.10:80 or [2001:db8::10]:80"
        ),
        "director.yaml:11: services.mail: must be a mapping, not 5",
    ]


def test_a_check_that_can_not_be_read_keeps_its_services_dependencies_from_being_looked_at(refuse: Refuse) -> None:
    assert refuse(dependent("dbs").replace("      - knock\n", "      - 5\n")) == [
        (
            "director.yaml:7: services.web.checks[1]: must be a check like tcp, "
            "or a check and its options like http: {path: /alive}"
        )
    ]


def test_a_dependency_on_what_is_not_checked_is_a_warning(load: Load) -> None:
    text = dependent("dns").replace("checks: [knock], destinations: {ns1", "checks: [], destinations: {ns1")
    assert load(text).warnings[0] == (
        "director.yaml:6: services.web.checks[0].knock.depends_on: "
        "changes nothing: dns has no checks, so it is never down"
    )


def test_two_configurations_of_one_text_are_equal(load: Load) -> None:
    text = "services: {web: {address: 192.0.2.10:80, checks: [{page: {path: /a}}], destinations: {rs1: 10.2.0.11:80}}}"
    assert load(text) == load(text)


WITHOUT_ADDRESS = "must have an address: via: vip goes to the service's own, and a fwmark service has none"
NOT_LED = "must be destination: what {} sends is not led anywhere from the service's address"
LEFT_OUT = "must be left out: via: vip has a mark and a way of its own"
TO_ITSELF = "must be another address than the service's: a realserver would answer to itself"
NOT_APART = "must be destination: the kernel can't tell masqueraded datagrams of several checks apart"
OTHER_FAMILY = "address: 192.0.2.10:80\nforwarding: tunnel\ndestinations: {rs1: '[2001:db8:2::11]:80'}\n"
DATAGRAMS = "address: 192.0.2.10:53\nprotocol: udp\ndestinations: {rs1: 10.2.0.11:53}\n"


@pytest.mark.parametrize(
    ("lines", "check", "problem"),
    [
        (SMALL, "tcp: {via: proxy}", '.tcp.via: must be destination or vip, not "proxy"'),
        (SMALL, "icmp: {via: vip}", ".icmp.via: " + NOT_LED.format("icmp")),
        (SMALL, "exec: {via: vip, command: [/bin/true]}", ".exec.via: " + NOT_LED.format("exec")),
        (SMALL, "tcp: {via: vip, fwmark: 5}", f".tcp.fwmark: {LEFT_OUT}"),
        (SMALL, "tcp: {via: vip, interface: eth0}", f".tcp.interface: {LEFT_OUT}"),
        (SMALL, "tcp: {via: vip, source: 192.0.2.10}", f".tcp.source: {TO_ITSELF}"),
        (SMALL, "tcp: {via: vip, address: '2001:db8::10'}", ".tcp.address: must be ipv4 like the service"),
        (MARK, "tcp: {via: vip, port: 80}", f".tcp: {WITHOUT_ADDRESS}"),
        (MARK, "tcp: {via: vip, address: 192.0.2.10}", ": must have a port: the destination rs1 has none"),
        (OTHER_FAMILY, "tcp: {via: vip}", ".tcp.via: needs a source: the destination rs1 is not ipv4 like the service"),
        (DATAGRAMS, "udp: {via: vip, send: x}", f".udp.via: {NOT_APART}"),
    ],
)
def test_what_can_not_go_via_the_vip(refuse_service: Refuse, lines: str, check: str, problem: str) -> None:
    assert refuse_service(f"{lines}checks:\n  - {check}\n") == [f"web.checks[0]{problem}"]


def test_what_goes_via_the_vip_needs_the_kernels_table(load: Load, refuse: Refuse) -> None:
    text = """\
        director: {{table: {table}, probe_marks: 0x20000000}}
        services:
          web:
            address: 192.0.2.10:80
            forwarding: direct
            checks: [tcp, tcp: {{via: vip, source: 192.0.2.1}}]
            destinations: {{rs1: 10.2.0.11:80}}
          ftp:
            fwmark: 21
            checks: [tcp: {{via: vip, address: 192.0.2.11, port: 21}}]
            destinations: {{rs1: 10.2.0.11}}
        """
    assert load(text.format(table="kernel")).probe_marks == 0x20000000
    sentence = "vip needs director.table: kernel, which leads the check to each destination; it is memory"
    assert refuse(text.format(table="memory")) == [
        f"director.yaml:6: services.web.checks[1].tcp.via: {sentence}",
        f"director.yaml:10: services.ftp.checks[0].tcp.via: {sentence}",
    ]


def test_the_marks_of_probes_end_where_marks_do(refuse: Refuse) -> None:
    service = "{address: 192.0.2.10:80, destinations: {rs1: 10.2.0.1:80}}"
    text = f"director: {{probe_marks: 0xff000001}}\nservices: {{web: {service}}}"
    assert refuse(text) == [
        "director.yaml:1: director.probe_marks: must be from 1 to 4278190080, not 4278190081",
    ]
