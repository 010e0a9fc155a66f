from feedback.checks.codecs import rpcbind, rstat, xdr
from feedback.director.feeds.rstatd import RstatdFeed
from feedback.report import Report
from feedback.testing import Connection, Exchange, Hang
from tests.checks.rpc_scripts import Call, listed, over_tcp, over_udp
from tests.director.feeds.asked import asked, refused


def lookup(netid: str = "udp") -> Connection:
    found = listed((100001, 3, netid, "0.0.0.0.3.220"), (100001, 2, "udp", "0.0.0.0.3.221"))
    return Connection(*over_tcp(Call(rpcbind.dump(4), b"", found)))


def stats(busy: int, idle: int, load: int = 256) -> Exchange:
    results = xdr.uint(busy, 0, 0, idle, *range(14), load, 0, 0)
    return Exchange(*over_udp(Call(rstat.STATS, b"", results)))


def test_cpu_is_what_was_used_between_two_questions_and_rpcbind_is_asked_once() -> None:
    feed = RstatdFeed()
    assert asked(feed, lookup(), stats(100, 900)) == Report({})
    assert asked(feed, stats(175, 925)) == Report({"cpu": 0.75})


def test_load_is_for_each_cpu() -> None:
    feed = RstatdFeed(rstatd_port=988, cpus=4)
    assert asked(feed, stats(1, 1, load=512)) == Report({})
    assert asked(feed, stats(2, 4, load=512)) == Report({"cpu": 0.25, "load": 0.5})


def test_rpcbind_is_asked_again_when_nothing_answers_at_the_port() -> None:
    feed = RstatdFeed()
    asked(feed, lookup(), stats(100, 900))
    assert refused(feed, Exchange(Hang())).startswith("timeout: rstatd")
    feed.forget()
    assert asked(feed, lookup("tcp"), stats(175, 925)) == Report({})


def test_a_host_without_rstatd_is_told_so() -> None:
    nothing = Connection(*over_tcp(Call(rpcbind.dump(4), b"", listed())))
    assert (
        refused(RstatdFeed(), nothing)
        == "content: rpcbind DUMP: rstatd/3 is not registered on tcp or udp; there are: none"
    )
