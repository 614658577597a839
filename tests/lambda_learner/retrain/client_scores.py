"""The real client's scores; runs in its own environment: python client_scores.py MODEL_URL < cases.

A case is a line of JSON with items, context and noise; so is its answer: the scores and the encoded items as
hexadecimal, and the ranking by the client's public call, at whose random noise and ties the cases don't tremble.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from improveai import Ranker, Scorer  # type: ignore[import-not-found]


def answer(scorer: Any, ranker: Any, case: dict[str, Any]) -> dict[str, Any]:
    items, context = case["items"], case["context"]
    chooser = scorer.chooser
    chooser.imposed_noise = case["noise"]
    rows = chooser.encode_candidates_with_context(candidates=items, context=context)
    scores = chooser.calculate_predictions(features_matrix=rows)
    ranker.scorer.chooser.imposed_noise = case["noise"]
    return {
        "rows": [[float(value).hex() for value in row] for row in rows],
        "scores": [float(score).hex() for score in scores],
        "ranked": ranker.rank(items, context),
    }


if __name__ == "__main__":
    scorer, ranker = Scorer(sys.argv[1]), Ranker(model_url=sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(answer(scorer, ranker, json.loads(line))))
