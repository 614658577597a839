"""What a user of `lambda-learner forget` can mend."""

from __future__ import annotations

__all__ = ["ForgetError"]


class ForgetError(RuntimeError):
    """The entity is not forgotten everywhere; the message says what to do. The same command again goes on."""
