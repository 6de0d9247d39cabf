"""Keyword arguments that were renamed, which work under their old name for one more release."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def renamed_keyword(
    old: str, new: str
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Return a decorator that accepts the keyword ``old`` for ``new``, with a :class:`DeprecationWarning`.

    The decorated function raises :class:`TypeError` if a caller gives both.
    """

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @functools.wraps(function)
        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            if old in kwargs:
                name = function.__qualname__
                if new in kwargs:
                    raise TypeError(f"{name}: `{old}` is now `{new}`; give only `{new}`")
                warnings.warn(f"{name}: `{old}` is now `{new}`", DeprecationWarning, stacklevel=2)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
