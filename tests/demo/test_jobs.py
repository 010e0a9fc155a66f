import asyncio
from pathlib import Path

import pytest

from feedback.agent.sources.exec import ExecSource
from feedback.demo.jobs import JobQueue

pytestmark = pytest.mark.loopback


async def ratio(jobs: JobQueue) -> float:
    async with asyncio.timeout(10):
        return (await ExecSource(command=tuple(jobs.command)).sample()).ratio


async def test_the_plugin_counts_the_jobs_that_wait_as_a_share_of_its_own_limit(tmp_path: Path) -> None:
    jobs = JobQueue(tmp_path, "rs1")
    assert await ratio(jobs) == 0
    jobs.fill()
    assert await ratio(jobs) == 2
    jobs.empty()
    assert await ratio(jobs) == 0
