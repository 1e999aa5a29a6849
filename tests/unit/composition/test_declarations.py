"""What the composition hands to actors: the outbox's consumers and the durable jobs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from actors.kinds import COORDINATOR, SCHEDULER
from aragora.background import Job
from aragora.config.settings import Settings
from aragora.debate.records import TOLD
from aragora.ranking.elo import RATINGS
from aragora.receipts.closing import USAGE
from aragora.storage.database import Database


def test_every_topic_that_an_ended_debate_writes_has_a_consumer(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert {RATINGS, USAGE, TOLD} <= set(COORDINATOR.bring(partial(Database.open, settings), settings))


def test_jobs_have_distinct_names_and_run_every_minute_at_most(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    jobs: tuple[Job, ...] = SCHEDULER.bring(partial(Database.open, settings), settings)
    assert len({job.name for job in jobs}) == len(jobs) > 0
    assert all(job.interval_s >= 60.0 for job in jobs)
