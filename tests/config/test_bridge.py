"""The section of the bridge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from config.bridge import Bridge
from config.load import ConfigError, load

Load = Callable[[str], Bridge | None]
SOURCE = "source: {stream: s}"
SINK = "sink: {topic: t, connection: {bootstrap_servers: 'a:1'}}"
EXAMPLE = Path(__file__).parents[2] / "config" / "example.yaml"


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def of(section: str) -> Bridge | None:
        (tmp_path / "c.yaml").write_text(f"bridge: {section}\n", encoding="utf-8")
        return load(tmp_path / "c.yaml").bridge

    return of


def test_a_configuration_needs_no_bridge(loaded: Load) -> None:
    assert loaded("") is None


def test_a_bridge_needs_its_stream_topic_and_servers_only(loaded: Load) -> None:
    section = loaded("{" + SOURCE + ", " + SINK + "}")
    assert section is not None
    assert (section.source.start, section.positions_topic) == ("trim_horizon", "lambda-learner-positions")
    assert (section.source.region, section.source.endpoint, section.transactional_id) == (None, None, None)


def test_the_example_in_comments_is_a_bridge(loaded: Load) -> None:
    lines = EXAMPLE.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("# bridge:"))
    shown = "\n".join(line.removeprefix("# ") for line in lines[start : lines.index("", start)])
    (section,) = yaml.safe_load(shown).values()
    found = loaded(yaml.safe_dump(section, default_flow_style=True, width=10_000).strip())
    assert found is not None
    assert found.transactional_id == f"lambda-learner-bridge-{found.source.region}-{found.source.stream}"


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{" + SOURCE + "}", "bridge.sink: must be given; accepted: a mapping with the keys connection, topic"),
        ("{source: {}, " + SINK + "}", "bridge.source.stream: must be given; accepted: 1 to 128 letters"),
        ("{source: {stream: a b}, " + SINK + "}", "bridge.source.stream: got 'a b'; accepted: 1 to 128 letters"),
        ("{source: {stream: s, strat: latest}, " + SINK + "}", "bridge.source.strat: unknown key; did you mean start?"),
        ("{source: {stream: s, start: now}, " + SINK + "}", "got 'now'; accepted: trim_horizon or latest"),
        ("{" + SOURCE + ", " + SINK + ", topic: t}", "bridge.topic: unknown key; known here: source, sink, positions_"),
        ("{" + SOURCE + ", " + SINK + ", positions_topic: a b}", "bridge.positions_topic: got 'a b': no name of a top"),
        ("5", "bridge: got 5; accepted: a mapping with the keys source, sink, positions_topic, transactional_id"),
    ],
)
def test_what_is_wrong_is_shown_with_what_is_accepted(loaded: Load, section: str, expected: str) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(section)
    (problem,) = raised.value.problems
    assert expected in str(problem)
