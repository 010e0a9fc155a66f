"""The extras are those of the distribution, and an import that failed names the one it needs."""

import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from feedback.extras import EXTRAS, lacking

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_s_modules_are_those_of_what_it_asks_for(extra: str) -> None:
    wanted = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"][extra]
    distributions = packages_distributions()
    brought = {distribution for module in EXTRAS[extra] for distribution in distributions[module]}
    assert {name.replace("_", "-").lower() for name in brought} == {line.partition(">")[0] for line in wanted}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError(name="dns"), "needs the director extra: pip install 'lvs-feedback[director]'"),
        (ModuleNotFoundError(name="rich.table"), "needs the director extra: pip install 'lvs-feedback[director]'"),
        (ModuleNotFoundError(name="matplotlib.axes"), "needs the plots extra: pip install 'lvs-feedback[plots]'"),
        (ModuleNotFoundError(name="dnsmasq"), None),
        (ModuleNotFoundError("no name"), None),
        (ImportError("half a module", name="dns"), None),
        (ValueError("dns"), None),
    ],
)
def test_an_error_names_the_extra_that_it_needs_or_none(error: Exception, said: str | None) -> None:
    assert lacking(error) == said
