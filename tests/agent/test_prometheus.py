import pytest
from prometheus_client.parser import text_string_to_metric_families

from feedback.agent.prometheus import MAX_REQUEST_BYTES, answer, exposition
from feedback.report import HostState, Report

REPORT = Report({"cpu": 0.25, "queue.mail": 1.5}, {"disk": "no such file"})
HEAD = b" HTTP/1.1\r\nHost: rs1\r\n\r\n"


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_every_metric_with_what_fails_and_what_the_host_wants() -> None:
    read = samples(exposition("rs1", REPORT, drains=False))
    assert read["feedback_agent_metric_ratio", "cpu"] == 0.25
    assert read["feedback_agent_metric_ratio", "queue.mail"] == 1.5
    assert read["feedback_agent_metric_failing", "disk"] == 1
    assert [read["feedback_agent_host", state] for state in HostState] == [1, 0, 0]


@pytest.mark.parametrize(
    ("state", "drains", "said"),
    [
        (HostState.READY, True, HostState.DRAIN),
        (HostState.DRAIN, False, HostState.DRAIN),
        (HostState.DOWN, True, HostState.DOWN),
    ],
)
def test_the_hosts_state_is_the_strongest_of_what_is_asked(state: HostState, said: HostState, *, drains: bool) -> None:
    read = samples(exposition("rs1", Report({}, state=state), drains=drains))
    assert [one for one in HostState if read["feedback_agent_host", one]] == [said]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /metrics", b"200 OK"),
        (b"GET /metrics?name[]=x", b"200 OK"),
        (b"GET http://rs1:9101/metrics", b"200 OK"),
        (b"HEAD /metrics", b"200 OK"),
        (b"GET /", b"404 Not Found"),
        (b"POST /metrics", b"400 Bad Request"),
        (b"\xff", b"400 Bad Request"),
    ],
)
def test_a_request_is_answered_by_its_first_line(request_line: bytes, status: bytes) -> None:
    said = answer(request_line + HEAD, "rs1", REPORT, drains=False)
    assert said is not None
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert b"Connection: close" in head
    announced = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    assert len(body) == (0 if request_line.startswith(b"HEAD") else announced)


def test_the_rest_of_a_request_is_waited_for_up_to_a_limit() -> None:
    assert answer(b"", "rs1", REPORT, drains=False) is None
    assert answer(b"GET /metrics" + HEAD[:-1], "rs1", REPORT, drains=False) is None
    much = answer(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * MAX_REQUEST_BYTES, "rs1", REPORT, drains=False)
    assert much is not None
    assert much.startswith(b"HTTP/1.1 431 ")
