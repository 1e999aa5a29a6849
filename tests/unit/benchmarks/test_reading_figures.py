"""What the benchmarks read off their raw figures."""

from __future__ import annotations

import pytest

from benchmarks.figures import percentile
from benchmarks.http_stress import answer_length
from benchmarks.memory import Row, lateness
from benchmarks.peers import workload
from benchmarks.peers.__main__ import table
from benchmarks.socket_crowd import figures, frames, masked


def test_a_percentile_is_the_value_below_which_that_share_lies() -> None:
    assert percentile([float(number) for number in range(100)], 0.99) == 99.0
    assert percentile([], 0.5) == 0.0


def test_an_answer_is_late_against_its_own_clock_and_against_the_phase_before() -> None:
    rows: list[Row] = [
        ("deb_1", "debate_start", 10.0, None, None),
        ("deb_1", "agent_message", 12.1, 1, 2.05),
        ("deb_1", "agent_message", 12.5, 1, 2.0),
        ("deb_1", "critique", 14.6, 1, 2.0),
        ("deb_2", "debate_start", 20.0, None, None),
        ("deb_2", "agent_message", 22.0, 1, 1.9),
    ]
    own, journaled = lateness(rows, 2.0)
    assert own == pytest.approx([0.0, 0.0, 0.0, 0.05])
    assert journaled == pytest.approx([0.0, 0.1, 0.1, 0.5])


def test_frames_are_cut_where_they_end_and_the_rest_is_kept() -> None:
    short, long = b"\x81\x05hello", b"\x81\x7e\x01\x00" + b"x" * 256
    payloads, used = frames(bytearray(short + b"\x89\x00" + long + b"\x81\x7e"))
    assert payloads == [b"hello", b"x" * 256]
    assert used == len(short) + 2 + len(long)


def test_a_clients_frame_says_its_length_and_a_mask_that_changes_nothing() -> None:
    assert masked(b"hi") == b"\x81\x82\x00\x00\x00\x00hi"
    assert masked(b"x" * 200)[:4] == b"\x81\xfe\x00\xc8"


def test_single_events_and_bursts_are_told_apart() -> None:
    told = figures({"user_vote": [1.0], "critique": [5.0, 6.0], "receipt": [9.0]})
    assert (told["received"], told["single_p99_ms"], told["burst_p50_ms"], told["all_p99_ms"]) == (4, 1.0, 6.0, 9.0)


def test_the_length_of_an_answer_is_known_once_its_head_is_there() -> None:
    assert answer_length(b"HTTP/1.1 200 OK\r\nContent-Le") is None
    assert answer_length(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") == 40


def test_the_peers_do_as_many_asks_as_a_debate_has() -> None:
    critics = workload.critique_asks("deb", 1, [workload.Answer(agent, "", "x") for agent in workload.AGENTS])
    assert workload.ASKS == 52
    assert len(critics) == 12
    assert all(ask.agent != ask.target for ask in critics)


def test_the_table_tells_how_many_times_a_peers_throughput_is_reached() -> None:
    run = {"debates_per_s": 100.0, "mean_s": 0.1, "cpu_ms_per_debate": 10.0, "rss_mb": 100.0}
    lines = table({"aragora": [run], "other": [{**run, "debates_per_s": 50.0}]})
    assert lines[-1].endswith("| 2.00 |")
