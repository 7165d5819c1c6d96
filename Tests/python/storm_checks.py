#!/usr/bin/env python3
"""The storm's own judgement, tried on ends that are right and on ends that are wrong: a judge that never objects proves
nothing.
"""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from cluster import generate_stubs  # noqa: E402
from runner import Runner, checks_of  # noqa: E402

stubs = generate_stubs()

from storm_load import BIG, NO, OK, UNKNOWN, History  # noqa: E402
from storm_members import Timeline  # noqa: E402
from storm_verdict import longest_wait, nothing_lost  # noqa: E402


def judged(held, directory):
    """What is said of `held` after the same story each time."""
    history = History(directory / "history")
    history.once = {"s1-1": "a", "s1-2": "b"}
    history.once_unknown = {"s1-3": "c"}
    history.big = {"b1-0": ["x", ["y"]], "b1-1": [None, []]}
    history.items = {"l1-0": [("1", OK), ("2", UNKNOWN), ("3", NO), ("4", OK)]}
    timeline = Timeline(directory / "timeline")
    timeline.complain = timeline.wrong.append
    nothing_lost(history, held, timeline)
    return timeline.wrong


def right():
    return {"s1-1": "a", "s1-2": "b", "b1-0": "x".ljust(BIG, "."), "l1-0": ["1", "4"]}


def check_right_ends(directory):
    for change in ({}, {"s1-3": "c"}, {"b1-0": "y".ljust(BIG, ".")}, {"l1-0": ["1", "2", "4"]}, {"l1-0": ["1", "4", "2"]}, {"calm": "calm"}):
        if wrong := judged({**right(), **change}, directory):
            raise AssertionError(f"{change}: {wrong}")


def wrong_end(directory, change, *words):
    held = {key: value for key, value in {**right(), **change}.items() if value is not None}
    wrong = judged(held, directory)
    if len(wrong) != len(words) or any(word not in text for word, text in zip(words, wrong)):
        raise AssertionError(f"{change}: expected {words}, got {wrong}")


def check_lost_set(directory):
    wrong_end(directory, {"s1-1": None}, "lost: s1-1")


def check_set_with_another_value(directory):
    wrong_end(directory, {"s1-2": "z"}, "lost: s1-2", "nobody wrote")


def check_key_that_nobody_set(directory):
    wrong_end(directory, {"s1-9": "z"}, "nobody wrote: s1-9")


def check_big_value(directory):
    wrong_end(directory, {"b1-0": "w".ljust(BIG, ".")}, "b1-0")
    wrong_end(directory, {"b1-0": "x"}, "b1-0")
    wrong_end(directory, {"b1-0": None}, "b1-0")
    wrong_end(directory, {"b1-1": "x".ljust(BIG, ".")}, "b1-1")


def check_items(directory):
    wrong_end(directory, {"l1-0": ["1"]}, "1 acknowledged items of l1-0 are lost")
    wrong_end(directory, {"l1-0": None}, "2 acknowledged items of l1-0 are lost")
    wrong_end(directory, {"l1-0": ["4", "1"]}, "another order")
    wrong_end(directory, {"l1-0": ["1", "3", "4"]}, "certainly not applied")
    wrong_end(directory, {"l1-0": ["1", "4", "5"]}, "nobody appended")
    wrong_end(directory, {"l1-0": ["1", "2", "4", "2"]}, "twice")


def check_longest_wait(_):
    second = 10 ** 9
    for times, able, wait in [([], [], 0), ([], [(0, 5)], 5), ([1, 2, 4], [(0, 5)], 2), ([1, 9], [(0, 3), (8, 9)], 2), ([1, 2], [(0, 1)], 1)]:
        found, _ = longest_wait([time * second for time in times], [(since * second, until * second) for since, until in able])
        if found != wait:
            raise AssertionError(f"{times} in {able}: {found}, expected {wait}")


def main():
    runner = Runner()
    with tempfile.TemporaryDirectory() as directory:
        for title, check in checks_of(sys.modules[__name__]):
            runner.check(title, check, pathlib.Path(directory))
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
