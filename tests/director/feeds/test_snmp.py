import pytest

from feedback.checks.codecs import snmp_message
from feedback.director.feeds.snmp import (
    AVAILABLE,
    BUFFERS,
    CACHED,
    CPU_TIME,
    MEMORY_FREE,
    MEMORY_TOTAL,
    PROCESSOR_LOAD,
    UCD,
    Object,
    SnmpFeed,
)
from feedback.report import Report
from feedback.secret import Secret
from feedback.testing import Exchange, Hang, Receive, Send
from tests.checks.snmp_answers import response
from tests.director.feeds.asked import asked, refused

COMMUNITY = Secret("orchard")
MEMORY = {MEMORY_TOTAL: 1000, MEMORY_FREE: 100, BUFFERS: 50, CACHED: 100}


def answer(request_id: int, found: dict[str, int], oids: tuple[str, ...] = UCD) -> Exchange:
    request = snmp_message.get(request_id, "orchard", oids)
    return Exchange(Receive(request), Send(response(request_id, found)))


def cpu_time(busy: int, idle: int) -> dict[str, int]:
    return dict(zip(CPU_TIME, (busy, 0, 0, idle, 0, 0), strict=True))


def test_cpu_is_what_was_used_between_two_questions() -> None:
    feed = SnmpFeed(community=COMMUNITY)
    assert asked(feed, answer(1, cpu_time(100, 900) | MEMORY)) == Report({}), "half of it would look idle"
    assert asked(feed, answer(2, cpu_time(175, 925) | MEMORY)) == Report({"cpu": 0.75, "memory": 0.75})
    same = answer(3, cpu_time(175, 925) | MEMORY | {AVAILABLE: 500})
    assert asked(feed, same) == Report({"cpu": 0.75, "memory": 0.5}), "what was measured holds until it is anew"
    feed.forget()
    assert asked(feed, answer(4, cpu_time(200, 950) | MEMORY)) == Report({})


def test_a_request_that_gets_lost_is_sent_again_and_late_answers_are_passed_over() -> None:
    request = snmp_message.get(1, "orchard", UCD)
    script = Exchange(Receive(request), Receive(request), Send(response(77, {})), Send(response(1, MEMORY)))
    assert asked(SnmpFeed(community=COMMUNITY), script) == Report({"memory": 0.75})


def test_the_processors_of_host_resources_are_one_cpu() -> None:
    feed = SnmpFeed(community=COMMUNITY, mib="host_resources")
    found = {f"{PROCESSOR_LOAD}.1": 20, f"{PROCESSOR_LOAD}.2": 80, f"{PROCESSOR_LOAD}.3": -1, "1.3.6.1.2.1.25.3.4.1": 7}
    request = snmp_message.get_bulk(1, "orchard", PROCESSOR_LOAD)
    assert asked(feed, Exchange(Receive(request), Send(response(1, found)))) == Report({"cpu": 0.5})


def test_objects_are_metrics_with_a_limit() -> None:
    objects = {
        "queue": Object(oid=".1.3.6.1.4.1.9.1.0", limit=200.0),
        "none": Object(oid="1.3.6.1.4.1.9.2.0", limit=1.0),
        "cold": Object(oid="1.3.6.1.4.1.9.3.0", limit=1.0),
    }
    feed = SnmpFeed(community=COMMUNITY, mib="none", objects=objects)
    oids = tuple(one.oid.lstrip(".") for one in objects.values())
    found = {oids[0]: 50, oids[2]: -5}
    failures = {"none": "the agent has no such number at 1.3.6.1.4.1.9.2.0", "cold": "it is -5"}
    assert asked(feed, answer(1, found, oids)) == Report({"queue": 0.25}, failures)


def test_an_agent_that_has_nothing_of_it_or_says_nothing_is_no_answer() -> None:
    nothing = "content: the agent has nothing of what mib: ucd names"
    assert refused(SnmpFeed(community=COMMUNITY), answer(1, {"1.3.6.1.1": 1})) == nothing
    none = "content: the agent has none of the objects that it was asked for"
    assert refused(SnmpFeed(community=COMMUNITY), answer(1, {})) == none
    request = snmp_message.get(1, "orchard", UCD)
    silent = Exchange(Receive(request), Receive(request), Receive(request), Hang())
    assert refused(SnmpFeed(community=COMMUNITY), silent).startswith("timeout: ")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Object(oid="public", limit=1.0), "oid: must be an object identifier"),
        (lambda: SnmpFeed(community=COMMUNITY, mib="none"), "objects: must be there where mib is none"),
        (
            lambda: SnmpFeed(
                community=COMMUNITY, objects={f"a{number}": Object(oid="1.3.6", limit=1.0) for number in range(54)}
            ),
            "objects: must be at most 53",
        ),
    ],
)
def test_options_that_can_not_be_asked_for_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
