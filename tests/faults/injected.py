"""A disk that fails from some moment on: the kernel itself refuses to write or to flush, in this process only.

Linux's seccomp (man 2 seccomp) answers chosen system calls with an error number. It needs no rights and no
compiler, holds for every thread, and ends with the process.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import threading
from collections.abc import Sequence

NUMBERS = {
    "x86_64": {"write": 1, "pwrite64": 18, "fsync": 74, "fdatasync": 75, "seccomp": 317},
    "aarch64": {"write": 64, "pwrite64": 68, "fsync": 82, "fdatasync": 83, "seccomp": 277},
}
"""System calls by architecture (Linux, ``asm/unistd.h``)."""

FAILURES = {
    "flushing": (("fsync", "fdatasync"), errno.EIO),
    "writing": (("write", "pwrite64"), errno.EIO),
    "no room": (("write", "pwrite64"), errno.ENOSPC),
}
"""What fails, and how."""

POSSIBLE = platform.system() == "Linux" and platform.machine() in NUMBERS

_LOAD, _EQUAL, _MORE, _RETURN = 0x20, 0x15, 0x25, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_NUMBER, _FIRST_ARGUMENT = 0, 16
_SET_FILTER, _EVERY_THREAD, _NO_NEW_RIGHTS = 1, 1, 38


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def fail(failure: str) -> None:
    """Let the calls of a failure fail from now on."""
    fail_calls(*FAILURES[failure])


def fail_calls(calls: Sequence[str], number: int) -> None:
    """Let calls fail from now on, in what this process starts too; standard output and error still go."""
    numbers = NUMBERS[platform.machine()]
    steps = [(_LOAD, 0, 0, _NUMBER)]
    for place, call in enumerate(calls):
        steps.append((_EQUAL, len(calls) - place, 0, numbers[call]))
    steps += [
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_MORE, 1, 0, 2),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERROR | number),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    program = _Program(len(steps), code)
    kernel = ctypes.CDLL(None, use_errno=True)
    kernel.prctl(_NO_NEW_RIGHTS, 1, 0, 0, 0)
    seccomp = (numbers["seccomp"], _SET_FILTER, _EVERY_THREAD, ctypes.byref(program))
    if kernel.syscall(*seccomp):
        raise OSError(ctypes.get_errno(), "no filter could be set")


def fail_after(failure: str, seconds: float) -> None:
    """Let it fail some time from now, whatever the program does then."""
    timer = threading.Timer(seconds, fail, (failure,))
    timer.daemon = True
    timer.start()
