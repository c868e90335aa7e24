# SPDX-License-Identifier: GPL-2.0-only
"""For tests in Python: they print TAP."""

import sys

_ran = _failed = 0


def ok(good, what, seen=None):
    global _ran, _failed
    _ran += 1
    _failed += not good
    print(f"{'' if good else 'not '}ok {_ran} - {what}", flush=True)
    if not good and seen is not None:
        print(f"# is {seen!r}", flush=True)


def same(got, want, what):
    ok(got == want, what, got)


def done_testing():
    """The plan, and the end."""
    print(f"1..{_ran}", flush=True)
    sys.exit(_failed > 0)
