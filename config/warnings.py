"""Settings that are accepted and yet cannot do what their author seems to want."""

from __future__ import annotations

from config.settings import Learner, Settings, Stream
from lambda_learner.features import FeatureSpec

__all__ = ["warnings_of"]


def warnings_of(settings: Settings) -> list[str]:
    """What to tell the user at start, a sentence each."""
    found = [f"stream.{warning}" for warning in _unused_clock(settings.stream)]
    for name, model in settings.models.items():
        for warning in (*_no_effect_on_ranking(model.learner), *_unused_noise_variance(model.learner)):
            found.append(f"models.{name}.learner.{warning}")
    if not settings.models and settings.unknown_models != "learn":
        found.append(f"models: none is named, and unknown_models is {settings.unknown_models}: nothing is learned")
    return found


def _no_effect_on_ranking(learner: Learner) -> list[str]:
    """Features that add the same to the score of every candidate.

    Unless an entity path looks into the item, all candidates share one entity's coefficients, and a
    feature that is of the context alone has one value for all of them.
    """
    if any(_is_of_item(path) for path in learner.entity):
        return []
    spec = FeatureSpec.parse(learner.features)
    alone = [path for path in spec.paths if not _is_of_item(path)]
    alone += [" × ".join(pair) for pair in spec.crosses if not any(map(_is_of_item, pair))]
    return [
        f"features: {path} is of the context only, the same for all candidates, and cannot change a ranking; "
        "cross it with a path of the item (item.genre × context.hour), or leave it out"
        for path in alone
    ]


def _is_of_item(path: str) -> bool:
    return path == "item" or path.startswith("item.")


def _unused_noise_variance(learner: Learner) -> list[str]:
    if learner.kind == "logistic" and learner.noise_variance != Learner().noise_variance:
        return ["noise_variance: is used by kind linear only"]
    return []


def _unused_clock(stream: Stream) -> list[str]:
    if stream.clock == "wall" and stream.source.has_end:
        return ["clock: wall is used with stream.source.follow: true only; the end of the input closes all windows"]
    if stream.clock == "events" and stream.idle_timeout_ms != Stream().idle_timeout_ms:
        return ["idle_timeout: is used by clock wall only"]
    return []
