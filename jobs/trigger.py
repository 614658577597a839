"""What asks for the retraining of each model, as the trigger stage takes it."""

from __future__ import annotations

from config.policies import trigger_settings
from config.settings import Settings
from operators.trigger import Triggers

__all__ = ["triggers_of"]


def triggers_of(settings: Settings, origin: str) -> Triggers:
    """The triggers of the models that the settings name, and of all others: those of the general section."""
    named = {name: trigger_settings(settings, name) for name in settings.models}
    return Triggers(settings.bucket.train, origin, named, trigger_settings(settings, ""))
