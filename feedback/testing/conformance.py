"""What a plugin does that its contract does not allow: all of it at once, each with what would be right."""

from collections.abc import Mapping

import msgspec

MOST_SHOWN = 5


class Violation(msgspec.Struct, frozen=True):
    """One rule that a plugin breaks. The sentence goes "a check ..."."""

    rule: str
    seen: str
    right: str


class ConformanceError(AssertionError):
    """A plugin does not keep to its contract. `violations` has everything that was found.

    Its words have every rule that is broken, what would be right, and how it shows, in at most a few of the ways.
    """

    def __init__(self, plugin: str, violations: tuple[Violation, ...]) -> None:
        self.plugin = plugin
        self.violations = violations
        rules = {violation.rule: violation.right for violation in violations}
        count = "a rule" if len(rules) == 1 else f"{len(rules)} rules"
        listed = [line for rule, right in rules.items() for line in _lines(rule, right, violations)]
        super().__init__("\n  ".join([f"{plugin} breaks {count} of its contract:", *listed]))


def _lines(rule: str, right: str, violations: tuple[Violation, ...]) -> list[str]:
    seen = [violation.seen for violation in violations if violation.rule == rule]
    more = [f"  ... and in {len(seen) - MOST_SHOWN} more ways"] if len(seen) > MOST_SHOWN else []
    return [f"{rule}: a plugin {right}", *(f"  - {words}" for words in seen[:MOST_SHOWN]), *more]


class Findings:
    """Collects what is seen of one plugin. `rules` says what would be right: it completes "a plugin ..."."""

    def __init__(self, plugin: str, rules: Mapping[str, str]) -> None:
        self._plugin = plugin
        self._rules = rules
        self._found: list[Violation] = []

    def add(self, rule: str, seen: str) -> None:
        """Note that a rule is broken, and what was seen; the same only once."""
        violation = Violation(rule, seen, self._rules[rule])
        if violation not in self._found:
            self._found.append(violation)

    def raise_any(self) -> None:
        """Raise ConformanceError with everything, if there is anything."""
        if self._found:
            raise ConformanceError(self._plugin, tuple(self._found))


def words_of(error: BaseException) -> str:
    """Return an error as one says it: its type and its words."""
    words = str(error)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
