"""Items and contexts as the vectors that decision models take, bit for bit as the client SDKs make them.

An item or context is flattened to values by path (flatten.py); a number is its own value, a string has one
in the string table of its path (string_table.py), and one noise is spread over all values (noise.py).
`Encoder` gives one vector at a time, `BulkEncoder` the rows of a training; they agree exactly. Source:
improve_protocol.md §5. Needs the extra `train`.
"""

from lambda_learner.encoding.bulk import BulkEncoder
from lambda_learner.encoding.columns import Flat, Flattener, Keys, PathIds
from lambda_learner.encoding.encoder import Encoder
from lambda_learner.encoding.flatten import leaves
from lambda_learner.encoding.noise import sprinkle, to_float32
from lambda_learner.encoding.string_table import StringTable, text_hash
from lambda_learner.encoding.table_builder import TableRules, Width, best_first, build_tables, narrow, wide
from lambda_learner.encoding.text_totals import TextTotals, Totals, weigh_keys

__all__ = [
    "BulkEncoder",
    "Encoder",
    "Flat",
    "Flattener",
    "Keys",
    "PathIds",
    "StringTable",
    "TableRules",
    "TextTotals",
    "Totals",
    "Width",
    "best_first",
    "build_tables",
    "leaves",
    "narrow",
    "sprinkle",
    "text_hash",
    "to_float32",
    "weigh_keys",
    "wide",
]
