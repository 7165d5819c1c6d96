"""What a check expects, and how it says that it got something else."""

import time


def equal(found, wanted):
    if found != wanted:
        raise AssertionError(f"got {short(found)}, expected {short(wanted)}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def short(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


def eventually(condition, what, seconds=10):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
