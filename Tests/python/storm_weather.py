"""Which fault comes when, and what the machine allows. Imported once the stubs are there."""

import os
import random
import shutil
import subprocess
import time

from storm_faults import (Bridge, Drops, FailingSync, Freeze, FullDisk, Kill, LeaderInMinority, LeaderIsolated, Links, LongAbsence,
                          OneWay, Partition, PowerCut, Slow, SlowDisk, Stop, Timer, Transfer)

TMPFS_BYTES = 768 << 20


class SmallDisk:
    """A file system in memory for one member's directory. `reason` says why there is none."""

    def __init__(self, member, directory):
        self.reason, self.path = None, directory / f"{member.name}-disk"
        if os.geteuid() != 0:
            self.reason = "a small file system takes root"
            return
        self.path.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(self.path)],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.reason = f"mount: {done.stderr.strip()}"
            self.path.rmdir()
            return
        member.data = self.path / member.name

    def keep(self, directory, name):
        """Copies what is on it to where it stays."""
        if self.reason is None:
            shutil.copytree(self.path / name, directory / name)

    def end(self):
        if self.reason is None:
            subprocess.run(["umount", "-l", str(self.path)], check=False)


def tracing_reason():
    """Why strace cannot be used here; None when it can."""
    if shutil.which("strace") is None:
        return "strace is missing (scripts/setup installs it)"
    sleeper = subprocess.Popen(["sleep", "30"])
    try:
        tracer = subprocess.run(["timeout", "-s", "INT", "0.5", "strace", "-q", "-o", "/dev/null", "-p", str(sleeper.pid)],
                                capture_output=True, text=True, check=False)
        return f"strace may not attach here: {tracer.stderr.strip()}" if "not permitted" in tracer.stderr else None
    finally:
        sleeper.kill()
        sleeper.wait()


class Weather:
    """Begins faults, some beside each other, and ends them, in an order that the seed decides (what they meet, it does not)."""

    CHOICES = [(Kill, 4), (Freeze, 4), (Stop, 1), (PowerCut, 1), (LongAbsence, 1), (Partition, 4), (LeaderIsolated, 3),
               (LeaderInMinority, 2), (OneWay, 3), (Bridge, 2), (Slow, 2), (Drops, 5), (Timer, 2), (Transfer, 2), (SlowDisk, 2),
               (FailingSync, 1), (FullDisk, 1)]
    ATONCE = 3

    def __init__(self, cluster, seed, seconds, without):
        self.cluster, self.dice = cluster, random.Random(f"{seed}/weather")
        without = {*without, *([LongAbsence] if seconds < 120 else [])}
        choices = [(kind, weight) for kind, weight in self.CHOICES if kind not in without]
        self.kinds, self.weights = [kind for kind, _ in choices], [weight for _, weight in choices]
        # In a short storm every kind comes once before chance decides.
        self.first = self.dice.sample(self.kinds, len(self.kinds)) if seconds < 120 else []
        self.scale = min(1.0, seconds / 120)
        self.active, self.next_at = [], time.monotonic() + 1
        # From when to when, in monotonic ns, a majority could speak with each other all the time.
        self.able, self.able_since = [], time.monotonic_ns()

    def blow(self):
        """One look: ends what is over, begins what is due."""
        now = time.monotonic()
        for until, fault, what in [entry for entry in self.active if entry[0] <= now]:
            self.active = [entry for entry in self.active if entry[1] is not fault]
            fault.end()
            self.cluster.timeline.note(f"over: {what}")
        if now >= self.next_at and len(self.active) < self.ATONCE:
            self.begin_one()
            self.next_at = time.monotonic() + self.dice.uniform(0.3, 3.0) * self.scale
        self.cluster.tell()
        self.cluster.look()
        self.watch(self.cluster.has_majority())

    def watch(self, is_able):
        now = time.monotonic_ns()
        if is_able and self.able_since is None:
            self.able_since = now
        elif not is_able and self.able_since is not None:
            self.able.append((self.able_since, now))
            self.able_since = None

    def begin_one(self):
        kind = self.first.pop() if self.first else self.dice.choices(self.kinds, self.weights)[0]
        # Two of a kind would undo each other's work, and so would two that set links.
        if any(type(fault) is kind or self.sets_links(kind) and self.sets_links(type(fault)) for _, fault, _ in self.active):
            return self.postpone(kind)
        fault = kind(self.cluster, self.dice)
        what = fault.begin()
        if what is None:
            return self.postpone(kind)
        self.cluster.timeline.note(what, kind=kind.__name__)
        shortest, longest = kind.lasts
        self.active.append((time.monotonic() + self.dice.uniform(shortest, max(shortest, longest * self.scale)), fault, what))

    def postpone(self, kind):
        if self.first:
            self.first.insert(0, kind)

    @staticmethod
    def sets_links(kind):
        return issubclass(kind, (Links, Slow))

    def end(self):
        self.watch(False)
        for _, fault, what in self.active:
            fault.end()
            self.cluster.timeline.note(f"over: {what}")
        self.active = []
