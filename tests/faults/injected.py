"""Simulate a failing disk: from some moment on the kernel refuses to write or to flush, in this process only.

Linux's seccomp (man 2 seccomp) answers chosen system calls with an error number. It needs neither privileges
nor a compiler, applies to every thread, and ends with the process.
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
    "disk full": (("write", "pwrite64"), errno.ENOSPC),
}
"""The system calls that fail, and their error number, by the name of the failure."""

POSSIBLE = platform.system() == "Linux" and platform.machine() in NUMBERS
"""Whether faults can be injected on this machine."""

# Instructions and return values of a seccomp filter (linux/bpf_common.h, linux/seccomp.h).
_LOAD, _EQUAL, _GREATER, _RETURN = 0x20, 0x15, 0x25, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_NUMBER, _FIRST_ARGUMENT = 0, 16
_SET_FILTER, _ALL_THREADS, _NO_NEW_PRIVILEGES = 1, 1, 38


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def fail(failure: str) -> None:
    """Make the system calls of a failure fail from now on."""
    fail_calls(*FAILURES[failure])


def fail_calls(calls: Sequence[str], number: int) -> None:
    """Make system calls fail with an error number from now on, in this process and its children.

    Calls on standard input, output and error still work. Raises ``OSError`` if the kernel refuses the filter.
    """
    numbers = NUMBERS[platform.machine()]
    steps = [(_LOAD, 0, 0, _NUMBER)]
    # A matching call jumps over the remaining comparisons and over the instruction that allows the call.
    for index, call in enumerate(calls):
        steps.append((_EQUAL, len(calls) - index, 0, numbers[call]))
    steps += [
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_GREATER, 1, 0, 2),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERROR | number),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    program = _Program(len(steps), code)
    kernel = ctypes.CDLL(None, use_errno=True)
    kernel.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    seccomp = (numbers["seccomp"], _SET_FILTER, _ALL_THREADS, ctypes.byref(program))
    if kernel.syscall(*seccomp):
        raise OSError(ctypes.get_errno(), "no filter could be set")


def fail_after(failure: str, seconds: float) -> None:
    """Make the system calls of a failure fail after some seconds, from another thread."""
    timer = threading.Timer(seconds, fail, (failure,))
    timer.daemon = True
    timer.start()
