r"""Test kit for plugins: proof that they keep to their contract, a network that follows a script, a clock that jumps.

`conform_check`, `conform_source` and `conform_policy` look for whatever the contract of each kind does not allow, and
raise ConformanceError with all of it:

    conform_check(GearmanCheck, Connection(Receive(b"version\n"), Send(b"OK 1.1.20\n")))

A script says what the peer does. A check runs against it with no socket and in no time:

    result = run_check(GearmanCheck(), Connection(Receive(b"version\n"), Send(b"OK 1.1.20\n")))
    assert result.outcome is Outcome.PASS

A check that does something else than the script expects, or leaves a connection open, raises ScriptError; a bug in the
check raises what it raises. `interrupted` makes the scripts in which the peer falls silent, hangs up or resets at each
point, and `chunk_bytes=1` lets every answer come byte by byte. It needs no test framework.
"""

from feedback.testing.checks import conform_check
from feedback.testing.conformance import ConformanceError, Violation
from feedback.testing.policies import conform_policy
from feedback.testing.script import (
    Close,
    Connection,
    Drop,
    Endless,
    Exchange,
    ForeignAwaitError,
    Hang,
    LeftOpenError,
    Part,
    Program,
    Receive,
    Refuse,
    Reset,
    ScriptError,
    Send,
    StartTls,
    Step,
    interrupted,
)
from feedback.testing.scripted import (
    LOCAL_IPV4,
    LOCAL_IPV6,
    TARGET,
    ScriptedDatagrams,
    ScriptedNet,
    ScriptedStream,
    run_check,
)
from feedback.testing.sources import conform_source
from feedback.testing.virtual import VirtualLoop, run_virtual

__all__ = [
    "LOCAL_IPV4",
    "LOCAL_IPV6",
    "TARGET",
    "Close",
    "ConformanceError",
    "Connection",
    "Drop",
    "Endless",
    "Exchange",
    "ForeignAwaitError",
    "Hang",
    "LeftOpenError",
    "Part",
    "Program",
    "Receive",
    "Refuse",
    "Reset",
    "ScriptError",
    "ScriptedDatagrams",
    "ScriptedNet",
    "ScriptedStream",
    "Send",
    "StartTls",
    "Step",
    "Violation",
    "VirtualLoop",
    "conform_check",
    "conform_policy",
    "conform_source",
    "interrupted",
    "run_check",
    "run_virtual",
]
