import io

import msgspec
import pytest
from rich.console import Console

from feedback.demo.figures import PhaseLoad
from feedback.demo.screen import Scene, render, render_story
from feedback.director.snapshot import DestinationView, ServiceView
from feedback.model import Admin, AgentState, Health


def view(
    name: str,
    *,
    weight: int = 100,
    utilization: float | None = 0.5,
    health: Health = Health.UP,
    admin: Admin = Admin.ENABLED,
    in_table: bool = True,
    metrics: dict[str, float] | None = None,
) -> DestinationView:
    return DestinationView(
        name=name,
        address="127.0.0.1:1",
        health=health,
        admin=admin,
        in_table=in_table,
        weight=weight,
        base_weight=100,
        utilization=utilization,
        metrics=metrics or {},
        agent=AgentState.CONNECTED,
        active_connections=3,
        inactive_connections=0,
        checks=(),
        why=f"why {name}",
    )


def scene(*destinations: DestinationView, phase: str = "kill", told: tuple[tuple[float, str], ...] = ()) -> Scene:
    return Scene(
        service=ServiceView(
            name="web",
            address="127.0.0.1:8080",
            protocol="tcp",
            scheduler="wrr",
            forwarding="masquerade",
            fallback=None,
            fallback_in_table=False,
            destinations=destinations,
        ),
        load=PhaseLoad(
            requests=400,
            failures=5,
            failure_kinds={"refused": 5},
            latency_p50_seconds=0.012,
            latency_p99_seconds=0.0456,
            open_requests=1,
        ),
        phase=phase,
        phase_age_seconds=2.0,
        told=told,
        speeds={"rs1": 1.0, "rs2": 4.0},
        dashboard="http://127.0.0.1:8600/",
    )


def text_of(shown: Scene, width: int = 100, height: int = 50) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None, record=True)
    console.print(render(shown, width, height))
    return console.export_text().splitlines()


def line_with(lines: list[str], word: str) -> str:
    return next(line for line in lines if word in line)


def filled_widths(shown: Scene, name: str) -> list[int]:
    """Return how many half cells of its weight's and its utilization's bar are filled."""
    console = Console(file=io.StringIO(), width=100)
    lines = console.render_lines(render(shown, 100, 50))
    line = next(line for line in lines if any(part.text.strip() == name for part in line))
    return [
        2 * part.text.count("━") + part.text.count("╸")
        for part in line
        if set(part.text) & {"━", "╸"} and "grey19" not in str(part.style)
    ]


def test_each_destination_has_a_line_with_speed_weight_utilization_connections_and_state() -> None:
    line = line_with(text_of(scene(view("rs1", weight=87, utilization=0.62))), "1x")
    words = [word for word in line.strip("│ ").split() if "━" not in word]
    assert words == ["rs1", "1x", "87", "62%", "3", "●", "up"]


def test_the_metric_that_decides_stands_beside_the_utilization() -> None:
    busy = {"busy": 0.4, "jobs": 2.0, "queue": 0.1}
    shown = scene(view("rs1", utilization=2.0, metrics=busy), view("rs2", health=Health.DOWN, metrics=busy))
    first, second = [line for line in text_of(shown) if "1x" in line or "4x" in line]
    assert "200%  jobs" in first
    assert "jobs" not in second


@pytest.mark.parametrize("phase", ["equal_weights", "drain"])
def test_the_phases_fit_on_one_line_of_the_smallest_terminal(phase: str) -> None:
    line = line_with(text_of(scene(view("rs1"), phase=phase), width=80), "equal weights")
    assert line.strip("│ ").endswith("drain")


def test_the_heaviest_weight_fills_its_bar_and_the_others_in_proportion() -> None:
    shown = scene(view("rs1", weight=50, utilization=0.25), view("rs2", weight=200, utilization=1.0))
    (small, quarter), (large, full) = filled_widths(shown, "rs1"), filled_widths(shown, "rs2")
    assert large == pytest.approx(4 * small, abs=2)
    assert full == pytest.approx(4 * quarter, abs=2)


def test_the_directors_reason_stands_below_for_each_destination() -> None:
    lines = text_of(scene(view("rs1"), view("rs2")))
    assert line_with(lines, "why rs1").strip("│ ").split() == ["rs1", "why", "rs1"]
    assert line_with(lines, "why rs2").strip("│ ").split() == ["rs2", "why", "rs2"]


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        (view("rs1"), "● up"),
        (view("rs1", health=Health.DOWN, in_table=False, weight=0), "● down"),
        (view("rs1", health=Health.UNKNOWN), "● unknown"),
        (view("rs1", admin=Admin.DRAIN, weight=0), "● drain"),
        (view("rs1", admin=Admin.DRAIN, health=Health.DOWN), "● down"),
    ],
)
def test_the_state_is_health_first_and_then_the_operators_wish(shown: DestinationView, state: str) -> None:
    assert state in line_with(text_of(scene(shown)), "1x")


def test_a_destination_out_of_the_table_has_neither_weight_nor_utilization() -> None:
    line = line_with(text_of(scene(view("rs1", health=Health.DOWN, in_table=False, weight=0))), "1x")
    assert [word for word in line.strip("│ ").split() if "━" not in word][:4] == ["rs1", "1x", "-", "-"]


def test_utilization_above_the_limit_fills_the_bar_and_shows_the_number() -> None:
    shown = scene(view("rs1", utilization=1.3), view("rs2", utilization=1.0))
    assert "130%" in line_with(text_of(shown), "1x")
    assert filled_widths(shown, "rs1") == filled_widths(shown, "rs2")


def test_a_service_without_weight_above_zero_can_be_shown() -> None:
    line = line_with(text_of(scene(view("rs1", weight=0, utilization=None))), "1x")
    assert [word for word in line.strip("│ ").split() if "━" not in word][:4] == ["rs1", "1x", "0", "-"]


@pytest.mark.parametrize(
    ("phase", "marks"),
    [
        ("equal_weights", "●○○○○○○"),
        ("jobs", "✓✓✓●○○○"),
        ("kill", "✓✓✓✓●○○"),
        ("drain", "✓✓✓✓✓✓●"),
        ("finish", "✓✓✓✓✓✓✓"),
        ("", "○○○○○○○"),
    ],
)
def test_the_phases_are_marked_as_over_running_and_to_come(phase: str, marks: str) -> None:
    line = line_with(text_of(scene(phase=phase)), "equal weights")
    assert "".join(mark for mark in line if mark in "●✓○") == marks


def test_the_clients_line_has_rate_latency_failures_and_evenness() -> None:
    shown = scene(view("rs1", utilization=0.9), view("rs2", utilization=0.3), view("rs3", in_table=False))
    assert line_with(text_of(shown), "requests/s").strip("│ ") == (
        "200 requests/s, 99% within 46 ms   failed  5   busiest/average  1.50"
    )


def test_there_is_no_latency_before_the_first_answer() -> None:
    shown = msgspec.structs.replace(scene(), load=PhaseLoad(0, 0, {}, None, None, 0), phase_age_seconds=0.0)
    assert line_with(text_of(shown), "requests/s").strip("│ ").startswith("0 requests/s   failed  0")


def test_it_says_where_the_dashboard_is() -> None:
    assert "http://127.0.0.1:8600/" in line_with(text_of(scene()), "browser")


TOLD = tuple((number + 0.25, f"sentence {number}, {'long ' * (number % 3 * 8)}and so on.") for number in range(60))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (200, 60)])
def test_the_storys_end_fills_the_room_that_a_terminal_has(width: int, height: int) -> None:
    lines = text_of(scene(*(view(f"rs{number}") for number in range(4)), told=TOLD), width, height)
    assert height - 4 <= len(lines) <= height
    assert "sentence 59" in "".join(lines)
    assert all(len(line) <= width for line in lines)


def test_the_last_sentence_is_there_in_the_smallest_terminal() -> None:
    lines = text_of(scene(view("rs1"), told=TOLD), 80, 5)
    assert "sentence 59" in "".join(lines)
    assert "sentence 58" not in "".join(lines)


def test_the_whole_story_is_left_in_the_terminal() -> None:
    console = Console(file=io.StringIO(), width=80, record=True)
    console.print(render_story([(1.0, "first."), (12.34, "second.")]))
    assert [line.rstrip() for line in console.export_text().splitlines()] == [" 1.0 s  first.", "12.3 s  second."]
