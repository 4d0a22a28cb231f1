"""Ties tests to stories."""

from __future__ import annotations

from typing import Any, Callable, TypeVar

import pytest

F = TypeVar("F", bound=Callable[..., Any])


def takes(seconds: int) -> Callable[[F], F]:
    """About how long the story takes: the longest start first."""

    def mark(story: F) -> F:
        story.seconds = seconds  # type: ignore[attr-defined]
        return story

    return mark


def told_by(story: Callable[..., Any]) -> pytest.MarkDecorator:
    """The test judges what this story saw; its fixture `told` holds that."""
    return pytest.mark.story.with_args(story)
