"""Values that know where they stand, and the problems found with them. Pure."""

import msgspec

from feedback.errors import ConfigError

Scalar = str | int | float | bool | None


class Node(msgspec.Struct, frozen=True):
    """A value with the line it stands in and its path, like `services.web.checks[0]`.

    `text` is a scalar as it was written. `strict` is false where it may be meant as text though it looks like
    something else: on a command line, where nobody quotes `min_version=1.4`.
    """

    value: "Scalar | tuple[Node, ...] | dict[str, Node]"
    line: int = 0
    path: str = ""
    text: str | None = None
    strict: bool = True


class Problems:
    """What is wrong with a configuration: all of it. `found` holds line, path and sentence of each."""

    def __init__(self, file: str = "") -> None:
        self._file = file
        self.found: list[tuple[int, str, str]] = []

    def __len__(self) -> int:
        return len(self.found)

    def add(self, node: Node, sentence: str) -> None:
        """Note a problem of a node. The sentence goes on after the path."""
        problem = (node.line, node.path, sentence)
        if problem not in self.found:  # what is inherited is read once for each heir
            self.found.append(problem)

    def none_at(self, *paths: str) -> bool:
        """Return whether nothing is wrong at these paths, nor below them."""
        return not any(
            there == path or there.startswith((f"{path}.", f"{path}[")) for _, there, _ in self.found for path in paths
        )

    def lines(self) -> tuple[str, ...]:
        """Return one line per problem, in the order of the file."""
        return tuple(self._line(*problem) for problem in sorted(self.found, key=lambda found: found[0]))

    def raise_any(self) -> None:
        """Raise ConfigError with every problem, if there is one."""
        if self.found:
            raise ConfigError(*self.lines())

    def _line(self, line: int, path: str, sentence: str) -> str:
        place = f"{self._file}:{line}" if self._file else ""
        return ": ".join(part for part in (place, path, sentence) if part)
