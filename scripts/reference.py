"""Write docs/reference/: a page for each check and each source, from what its class says of itself.

`make reference` runs it. A test sees to it that the pages are those of the code.
"""

import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from feedback.checks.check import Check
from feedback.commands.plugins import Description, broken_plugins, known_plugins
from feedback.director.config_shape import CadenceShape
from feedback.errors import PluginError
from feedback.options import Option, describe

DIRECTORY = Path(__file__).parents[1] / "docs" / "reference"

HEAD = """\
# The checks

One page for each check, made from the code by `make reference`; `feedback plugins NAME` prints the same in a terminal.
Every check also has the [options that all checks have](common.md). To write one's own takes
[ten minutes](../plugins.md). What an agent measures has [pages of its own](sources/index.md).

| check | |
|---|---|
"""

COMMON = """\
# Options that all checks have

Where a check goes, and when. They stand among the check's own options:

```yaml
checks:
  - http: {path: /alive, port: 8081, interval: 5s}
```

"""

TIMING = """
When it runs, and how many results in a row decide. What is not given comes from the service's `check`, then from
`defaults.check`:

"""


SOURCES_HEAD = """\
# The sources

One page for each thing that an agent can measure, made from the code by `make reference`; `feedback plugins NAME`
prints the same in a terminal. Every metric also has the
[keys that all metrics have](../../configuration.md#agentyaml). What the figures mean stands in
[The agent](../../agent.md#what-it-measures).

| source | |
|---|---|
"""


def pages() -> Mapping[str, str]:
    """Return the text of every page by its file name."""
    common = {option.name for option in describe(Check)}
    known = known_plugins()
    checks = [plugin for plugin in known if plugin.kind == "check"]
    if broken := broken_plugins():
        raise PluginError("\n".join(plugin.why for plugin in broken))
    shared = COMMON + _table(describe(Check)) + TIMING + _table(describe(CadenceShape))
    return (
        {"index.md": HEAD + _rows(checks), "common.md": shared}
        | {f"{one.name}.md": _page(one, common) for one in checks}
        | source_pages([plugin for plugin in known if plugin.kind == "source"])
    )


def source_pages(sources: list[Description]) -> dict[str, str]:
    """Return the text of the pages of the agent's sources, by file name."""
    return {"sources/index.md": SOURCES_HEAD + _rows(sources)} | {
        f"sources/{one.name}.md": _source_page(one) for one in sources
    }


def _rows(plugins: list[Description]) -> str:
    return "".join(f"| [`{one.name}`]({one.name}.md) | {summary(one.doc)} |\n" for one in plugins)


def summary(doc: str) -> str:
    """Return a docstring's first sentence."""
    return doc.partition("\n\n")[0].replace("\n", " ")


def _page(plugin: Description, common: set[str]) -> str:
    """Return a check's page: what it does, its options, an example."""
    text, example = split_example(plugin.doc)
    options = _table([option for option in plugin.options if option.name not in common])
    parts = [f"# `{plugin.name}`", _prose(text)]
    if example:
        parts.append(f"```yaml\nchecks:\n{textwrap.indent(example, '  ')}\n```")
    parts.append(options.rstrip() if options else "It has no options of its own.")
    parts.append("Besides these it has the [options that all checks have](common.md).")
    return "\n\n".join(parts) + "\n"


def _source_page(plugin: Description) -> str:
    """Return a source's page: what it measures, its options, an example."""
    text, example = split_example(plugin.doc)
    parts = [f"# `{plugin.name}`", _prose(text)]
    if example:
        parts.append(f"```yaml\nmetrics:\n{textwrap.indent(example, '  ')}\n```")
    parts.append(_table(plugin.options).rstrip() or "It has no options of its own.")
    parts.append("Besides these it has the [keys that all metrics have](../../configuration.md#agentyaml).")
    return "\n\n".join(parts) + "\n"


def split_example(doc: str) -> tuple[str, str]:
    """Return a docstring without its example, and the example: what is indented below a line `Example:`."""
    text, *rest = re.split(r"^Examples?:\n", doc, maxsplit=1, flags=re.MULTILINE)
    return text.strip(), textwrap.dedent("".join(rest)).strip("\n")


def _prose(text: str) -> str:
    return re.sub(r"\n(?!\n|- )(?<!\n\n)(?=\S)", " ", text)  # the items of lists keep their lines


def _table(options: tuple[Option, ...] | list[Option]) -> str:
    """Return a table of options; nothing for none."""
    if not options:
        return ""
    rows = "".join(f"| {' | '.join(cells)} |\n" for cells in map(_cells, options))
    return f"| option | type | default | |\n|---|---|---|---|\n{rows}"


def _cells(option: Option) -> Iterator[str]:
    yield f"`{option.name}`"
    yield option.type.replace("|", "\\|")
    yield "required" if option.required else f"`{option.default}`"
    yield option.doc.replace("|", "\\|")


def main() -> int:
    """Write what has changed, and delete pages of checks and sources that are gone."""
    wanted = pages()
    (DIRECTORY / "sources").mkdir(parents=True, exist_ok=True)
    for path in DIRECTORY.rglob("*.md"):
        if str(path.relative_to(DIRECTORY)) not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = DIRECTORY / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
