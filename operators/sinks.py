"""File sinks for what the job tells besides coefficients: dead letters, late rows, orphans, scores, sums of counts.

State: the sink's own (pending and open part files), committed with checkpoints, so each line is there exactly once.
"""

from __future__ import annotations

from pyflink.common.serialization import Encoder
from pyflink.datastream import DataStream
from pyflink.datastream.connectors.file_system import FileSink, OutputFileConfig, RollingPolicy

ROLL_MS = 60_000  # a part file becomes visible as complete after at most this long


def write_lines(lines: DataStream, folder: str, name: str) -> None:
    """Write each text as a line to part files in `folder/name`."""
    policy = RollingPolicy.default_rolling_policy(rollover_interval=ROLL_MS, inactivity_interval=ROLL_MS)
    sink = (
        FileSink.for_row_format(f"file://{folder}/{name}", Encoder.simple_string_encoder())
        .with_rolling_policy(policy)
        .with_output_file_config(OutputFileConfig.builder().with_part_prefix("part").build())
        .build()
    )
    lines.sink_to(sink).uid(name).name(name).set_parallelism(1)
