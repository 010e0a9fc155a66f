"""What a plugin does that its contract does not allow: all of it at once, each with what would be right."""

from collections.abc import Mapping

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """One rule that a plugin breaks. The sentence goes "a check ..."."""

    rule: str
    seen: str
    right: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.seen}\n    (a plugin {self.right})"


class ConformanceError(AssertionError):
    """A plugin does not keep to its contract. `violations` has everything that was found."""

    def __init__(self, plugin: str, violations: tuple[Violation, ...]) -> None:
        self.plugin = plugin
        self.violations = violations
        count = "one thing" if len(violations) == 1 else f"{len(violations)} things"
        listed = "".join(f"\n  {violation}" for violation in violations)
        super().__init__(f"{plugin} does {count} that its contract does not allow:{listed}")


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
