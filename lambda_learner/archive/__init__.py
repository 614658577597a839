"""The archive (DESIGN §6): decisions and rewards as the Gym's parquet files; merge, compaction, reading, import."""

from lambda_learner.archive.compaction import Compacted, CompactionSettings, compact
from lambda_learner.archive.errors import ArchiveChanging, DamagedPartition
from lambda_learner.archive.forget import forget
from lambda_learner.archive.forget_record import DamagedForgetRecord, ForgetRecord
from lambda_learner.archive.forgotten import Forgotten, add_forgotten, read_all_forgotten, read_forgotten
from lambda_learner.archive.importing import Imported, copy_firehose, event_lines, firehose_order, write_events
from lambda_learner.archive.merge import decision_mask, merge
from lambda_learner.archive.partition import Partition, PartitionFile, models_of, partition_file, partitions
from lambda_learner.archive.reader import ArchiveReader, ReaderSettings
from lambda_learner.archive.rows import ArchiveRow, decision_row, reward_row, table_of

__all__ = [
    "ArchiveChanging",
    "ArchiveReader",
    "ArchiveRow",
    "Compacted",
    "CompactionSettings",
    "DamagedForgetRecord",
    "DamagedPartition",
    "ForgetRecord",
    "Forgotten",
    "Imported",
    "Partition",
    "PartitionFile",
    "ReaderSettings",
    "add_forgotten",
    "compact",
    "copy_firehose",
    "decision_mask",
    "decision_row",
    "event_lines",
    "firehose_order",
    "forget",
    "merge",
    "models_of",
    "partition_file",
    "partitions",
    "read_all_forgotten",
    "read_forgotten",
    "reward_row",
    "table_of",
    "write_events",
]
