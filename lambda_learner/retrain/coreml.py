"""The decision model for Swift clients: `.mlmodel.gz`, converted from the booster (improve_protocol.md §7).

Needs the extra `coreml`. A tree ensemble with one double input a feature, one output `target`, thresholds of 32
bits; the metadata as texts. The same model gives the same bytes. No Apple machine has run it in our tests.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import orjson
import xgboost as xgb

from lambda_learner.retrain.errors import RetrainError

__all__ = ["CoreMLMissing", "need_converter", "to_coreml"]

_FEATURES: Final = "ai.improve.features"  # those are the inputs
_GZIP_LEVEL: Final = 6


class CoreMLMissing(RetrainError):
    """The converter is not installed."""

    def __init__(self) -> None:
        super().__init__("coremltools is not installed: pip install 'lambda-learner-flink[coreml]', or make no CoreML")


def to_coreml(booster: xgb.Booster, metadata: Mapping[str, Any]) -> bytes:
    """The file's bytes, for the booster and metadata of a model file; CoreMLMissing without the extra.

    The first call imports the converter: some seconds.
    """
    features = metadata[_FEATURES]
    spec = _converted(booster, len(features))
    # Named only now: XGBoost refuses names with [, ] or <, and does not escape others in its dump.
    for described, feature in zip(spec.description.input, features, strict=True):
        described.name = feature
    texts = spec.description.metadata.userDefined
    for key, value in metadata.items():
        if key != _FEATURES:
            texts[key] = value if isinstance(value, str) else orjson.dumps(value).decode()
    return gzip.compress(spec.SerializeToString(deterministic=True), _GZIP_LEVEL, mtime=0)


def need_converter() -> Any:
    """The converter's module, after some seconds the first time; CoreMLMissing without the extra."""
    logging.getLogger("coremltools").setLevel(logging.ERROR)  # it warns of newer XGBoosts, and of not being on a Mac
    try:
        return import_module("coremltools.converters.xgboost")
    except ModuleNotFoundError as error:
        raise CoreMLMissing from error


def _converted(booster: xgb.Booster, features: int) -> Any:
    converter = need_converter()
    names = [f"f{column}" for column in range(features)]
    unnamed = booster.copy()
    unnamed.feature_names = None
    model = converter.convert(unnamed, feature_names=names, target="target", mode="regressor", force_32bit_float=True)
    return model.get_spec()
