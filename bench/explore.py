"""Random clusters by the thousand: how many a policy fails on, and the smallest of those."""

from collections.abc import Sequence

import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings
from random_clusters import RandomCluster, findings, random_clusters


class Explored(msgspec.Struct, frozen=True, kw_only=True):
    """What came of some clusters: how many there were, and those on which something was wrong."""

    tried: int
    failed: Sequence[tuple[RandomCluster, list[str]]]


def explore(policy: str, examples: int, chance: int) -> Explored:
    """Try a policy on so many clusters, drawn from this seed."""
    tried: list[RandomCluster] = []
    failed: list[tuple[RandomCluster, list[str]]] = []

    @seed(chance)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(random_clusters())
    def attempt(case: RandomCluster) -> None:
        tried.append(case)
        if found := findings(case, policy):
            failed.append((case, found))

    attempt()
    return Explored(tried=len(tried), failed=failed)
