"""The main job's graph: parse → join → batch → learn → publish, with dead letters, late rows, orphans and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyflink.common import Types
from pyflink.datastream import DataStream

from config.settings import Stream
from config.source import FileSource
from jobs.kafka import topics_settings
from jobs.operator_ids import identify
from lambda_learner.archive.forgotten import Forgotten
from lambda_learner.learn.served import Readers
from lambda_learner.policy import Policies
from operators import learn, sources
from operators.batch import batch_sql
from operators.counts import sums_sql
from operators.delta import deltas_sql, last_states_sql, updates_schema
from operators.files import FileChunk
from operators.follow import followed_chunks, ticks_of
from operators.join import fields_sql, join_sql, late_sql, rows_schema, rows_sql
from operators.jvm import internal_rows, keyed_by_first, side_output, table_rows
from operators.observed import OBSERVED_TYPE, observations
from operators.parse import Parser
from operators.publish import COEFFICIENTS, DELTA_TYPE, Publish, PublishSettings
from operators.reading import ReadSettings
from operators.rewind import Rewind
from operators.rows import late_line
from operators.sinks import write_lines
from operators.table_sinks import send
from operators.tables import TableSink
from operators.topics import topic_chunks
from operators.trigger import Trigger, Triggers
from operators.warm_start import WarmStart

# How many increments, and for how long, are added up before a sum leaves.
SUMMED_TOGETHER = {"enabled": "true", "allow-latency": "1 s", "size": "10000"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run of the job does, decided before it starts."""

    stream: Stream
    policies: Policies
    chunks: Sequence[FileChunk]
    warm_start: WarmStart
    publish: PublishSettings
    outputs: str
    with_scores: bool
    train_bucket: str | None  # where events are archived
    triggers: Triggers
    forgotten: Forgotten  # who was before the run began; of the others its input says so
    sinks: Sequence[TableSink] = ()  # that outputs are sent to as well
    rewind: Rewind = field(default_factory=Rewind)


def build(env: Any, tables: Any, plan: Plan, *, batch: bool) -> None:
    """Add the whole graph to the environments; the caller executes it."""
    parsed = _parse(env, tables, plan)
    rows = _rows(tables, parsed, plan)
    joined = _join(tables, rows)
    learned = _learn(joined, plan, batch=batch)
    published = _publish(tables, learned, plan)
    counts = side_output(parsed, sources.COUNTS).union(side_output(learned, learn.COUNTS))
    late = None if batch else _late(tables)
    outputs = {
        "dead_letters": side_output(parsed, sources.DEAD_LETTERS),
        # Empty without --scores, but always there: a checkpoint must fit the same command with it and without.
        "scores": side_output(learned, learn.SCORES),
        "orphans": side_output(learned, learn.ORPHANS),
        "counts": _sums(tables, counts, batch=batch),
        "published": published,
    }
    if late is not None:
        outputs["late"] = late
        outputs["requests"] = _requests(tables, side_output(learned, learn.COUNTS), published, plan)
    for name, stream in outputs.items():
        write_lines(stream, plan.outputs, name)
    if plan.sinks:  # last: with sinks and without, what is above has the same ids
        send(tables, outputs | {"coefficients": side_output(published, COEFFICIENTS)}, plan.sinks)
    if not batch:
        identify(env, range(_number(rows) + 1, _number(joined) + 1))


def _parse(env: Any, tables: Any, plan: Plan) -> DataStream:
    stream = plan.stream
    parser = Parser(plan.policies, stream.max_message_bytes, stream.max_clock_skew_ms)
    source, reading = stream.source, ReadSettings(parser, plan.train_bucket, plan.publish.bucket)
    if source.has_end:
        return sources.parsed_chunks(sources.bounded_chunks(env, plan.chunks), reading, plan.chunks)
    idle_ms, ticks = stream.idle_timeout_ms if stream.clock == "wall" else None, ticks_of(tables)
    if isinstance(source, FileSource):
        return sources.parsed_chunks(followed_chunks(ticks, source.path, plan.rewind, idle_ms=idle_ms), reading)
    topics = topics_settings(source)
    reading = replace(reading, kafka=topics.connection)
    return sources.parsed_chunks(topic_chunks(ticks, topics, plan.rewind, idle_ms=idle_ms), reading)


def _rows(tables: Any, parsed: DataStream, plan: Plan) -> DataStream:
    """One row a line, cut out of the chunks in the JVM."""
    tables.create_temporary_view("chunks", tables.from_data_stream(parsed).alias("text"))
    tables.create_temporary_view("fields", internal_rows(tables, fields_sql("chunks")))
    return internal_rows(tables, rows_sql("fields", plan.stream.out_of_orderness_ms))


def _join(tables: Any, rows: DataStream) -> DataStream:
    tables.create_temporary_view("timed_rows", tables.from_data_stream(rows, rows_schema()))
    tables.create_temporary_view("joined", tables.sql_query(join_sql("timed_rows")))
    return table_rows(tables, batch_sql("joined"), learn.BATCH_TYPE)


def _late(tables: Any) -> DataStream:
    rows = tables.to_data_stream(tables.sql_query(late_sql("timed_rows")))
    return rows.map(lambda row: late_line(*row), Types.STRING()).uid("late-lines").name("late-lines")


def _learn(batches: DataStream, plan: Plan, *, batch: bool) -> DataStream:
    function = learn.Learn(
        plan.policies,
        warm_start=plan.warm_start,
        scored_for=_readers(plan.stream) if plan.with_scores else None,
        unordered=batch,
        observed=plan.triggers.is_any and not batch,
        forgotten=plan.forgotten,
    )
    return keyed_by_first(batches, learn.BATCH_TYPE).process(function, learn.UPDATE_TYPE).uid("learn").name("learn")


def _readers(stream: Stream) -> Readers:
    return Readers(stream.out_of_orderness_ms, stream.publish_interval_ms)


def _publish(tables: Any, updates: DataStream, plan: Plan) -> DataStream:
    tables.create_temporary_view("updates", tables.from_data_stream(updates, updates_schema()))
    query = last_states_sql("updates") if plan.publish.once else deltas_sql("updates", plan.publish.interval_ms)
    deltas = table_rows(tables, query, DELTA_TYPE)
    return deltas.process(Publish(plan.publish, plan.policies), Types.STRING()).uid("publish").name("publish")


def _requests(tables: Any, counts: DataStream, published: DataStream, plan: Plan) -> DataStream:
    """The requests for retraining; always there, as checkpoints of a job with triggers and without must fit both.

    A job without triggers needs the event time alone, which comes with the lines about publishes, few as they are.
    """
    texts = counts if plan.triggers.is_any else published
    rows = keyed_by_first(observations(tables, texts), OBSERVED_TYPE)
    return rows.process(Trigger(plan.triggers), Types.STRING()).uid("trigger").name("trigger")


def _sums(tables: Any, counts: DataStream, *, batch: bool) -> DataStream:
    if not batch:
        # For this query alone: mini-batches send clock times as watermarks, and CURRENT_WATERMARK would give those.
        for key, value in SUMMED_TOGETHER.items():
            tables.get_config().set(f"table.exec.mini-batch.{key}", value)
    tables.create_temporary_view("increments", tables.from_data_stream(counts).alias("text"))
    return tables.to_changelog_stream(tables.sql_query(sums_sql("increments")))


def _number(stream: DataStream) -> int:
    """Of the operator that gives a stream, in the order in which operators were added."""
    return int(stream._j_data_stream.getId())


if __name__ == "__main__":  # of `flink run -pym jobs.stream`
    from jobs.cluster import main

    main()
