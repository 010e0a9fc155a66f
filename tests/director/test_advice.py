from feedback.director.advice import Sysctls, advise
from tests.director.world import config, service

RIGHT = Sysctls(expire_nodest_conn=1, expire_quiescent_template=1, conn_reuse_mode=1)
WRONG = Sysctls(expire_nodest_conn=0, expire_quiescent_template=0, conn_reuse_mode=0)


def test_right_settings_need_no_word() -> None:
    assert list(advise(config(service(persistence_seconds=300)), RIGHT)) == []


def test_a_kernel_that_tells_nothing_gets_no_advice() -> None:
    assert list(advise(config(service(persistence_seconds=300)), Sysctls(None, None, None))) == []


def test_every_trap_is_named_with_the_way_out() -> None:
    assert list(advise(config(service(persistence_seconds=300)), WRONG)) == [
        (
            "persistent clients of web keep being sent to a drained or quiesced destination: "
            "set net.ipv4.vs.expire_quiescent_template=1"
        ),
        (
            "clients of web with a connection to a removed destination wait until they time out: "
            "set net.ipv4.vs.expire_nodest_conn=1"
        ),
        (
            "a client that uses its port again is sent to its old destination, even a drained one: "
            "set net.ipv4.vs.conn_reuse_mode=1"
        ),
    ]


def test_what_a_service_does_not_use_is_not_spoken_of() -> None:
    quiescing = config(service(on_failure="quiesce"))
    assert list(advise(quiescing, WRONG)) == [
        (
            "a client that uses its port again is sent to its old destination, even a drained one: "
            "set net.ipv4.vs.conn_reuse_mode=1"
        )
    ]
