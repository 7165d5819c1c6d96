#!/usr/bin/env python3
"""Every member of a cluster replaced under a steady load: 3 → 5 → 3 members, each of the first three goes, the leader last.

    replace_all.py BINARIES [--clients 32] [--inflight 4] [--settle 4] [--directory DIR]

`swiftwater bench --follow` writes at all members and goes on to the next when one leaves, as the client library does; beside it
writers write keys of their own, in sessions, and remember what was acknowledged. Members come with --join and go with
RemoveServer, then SIGTERM. At the end: no request of the bench may have failed, but for those in flight when a leader died
(none dies here); no acknowledged write may be missing at any member; no whole second may have had less than half of the median
second's writes. Prints these figures; exit status 1 when one of them is not as it should be.
"""

import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from cluster import ROOT, generate_stubs  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--inflight", type=int, default=4)
    parser.add_argument("--settle", type=float, default=4, help="seconds of steady load before each change")
    parser.add_argument("--least", type=float, default=0.5, help="share of the median that the slowest second must have")
    parser.add_argument("--directory", type=pathlib.Path, default=None)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    stubs = generate_stubs()
    import fleet as fleets

    directory = chosen.directory or ROOT / ".build" / "replacements" / str(time.time_ns() // 1_000_000)
    try:
        with fleets.Fleet(directory, 3, newcomers=3) as fleet:
            replace(fleets, fleet, chosen)
    except fleets.Wrong as wrong:
        print(f"replace-all: WRONG: {wrong}\n0 passed, 1 failed")
        return 1
    finally:
        del stubs
    print("1 passed, 0 failed")
    return 0


class Bench:
    """`swiftwater bench`, until it is told to stop."""

    def __init__(self, fleet, chosen):
        self.process = subprocess.Popen(
            [str(chosen.binaries / "swiftwater"), "--endpoints", fleet.endpoints(), "bench", "--follow", "--reads", "0", "--clients",
             str(chosen.clients), "--inflight", str(chosen.inflight), "--keys", "100000", "--seconds", "3600", "--output", "json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        output, errors = self.process.communicate(timeout=30)
        return json.loads(output) if output else {"errors": 1, "errors_by_kind": {errors: 1}}


def replace(fleets, fleet, chosen):
    for member in fleet.members[:3]:
        member.start(chosen.binaries)
    fleet.wait_for_leader()
    writers = fleets.Writers(fleet, rate=100)
    bench = Bench(fleet, chosen)
    began = time.monotonic()
    events = []

    def note(text):
        events.append((time.monotonic() - began, text))
        print(f"replace-all: {time.monotonic() - began:6.1f} s  {text}", flush=True)

    def add(name):
        time.sleep(chosen.settle)
        note(f"{name} joins")
        fleet[name].start(chosen.binaries)
        fleet.wait_for_voters([member.name for member in fleet.running])
        note(f"{name} votes")

    def remove(name):
        time.sleep(chosen.settle)
        leader = fleet.wait_for_leader()
        note(f"{name} goes" + (", which leads" if leader.name == name else ""))
        request = fleets.cluster_pb2.RemoveServerRequest(name=name)
        answer = leader.cluster.RemoveServer(request, timeout=20)
        if answer.status != fleets.cluster_pb2.CHANGE_STATUS_OK:
            raise fleets.Wrong(f"{name} was not removed: {answer}")
        fleet[name].stop()
        fleet.wait_for_voters([member.name for member in fleet.running])
        note(f"{name} has gone")

    try:
        add("n4")
        add("n5")
        for round in range(3):
            if round == 1:
                add("n6")
            # The leader is the last of the first three to go, and goes as a leader.
            old = [member.name for member in fleet.running if member.name in ("n1", "n2", "n3")]
            leader = fleet.wait_for_leader().name
            others = [name for name in old if name != leader]
            if not others and old[0] != leader:
                fleet.transfer(fleet[old[0]])
            remove(others[0] if others else old[0])
        time.sleep(chosen.settle)
    finally:
        found = bench.stop()
    writers.stop()
    writers.verify(fleet.running)
    judge(fleets, fleet, chosen, found, writers, events)


def judge(fleets, fleet, chosen, found, writers, events):
    # The first second begins with connections that are made, the last is not a whole one.
    seconds = found["per_second"][1:int(found["seconds"])]
    median = statistics.median(seconds)
    slowest = min(range(len(seconds)), key=seconds.__getitem__)
    near = [f"{text} ({at:.1f} s)" for at, text in events if abs(at - slowest - 1.5) < 2]
    print(f"replace-all: by second {found['per_second']}")
    print(f"replace-all: {sum(seconds)} writes in {len(seconds)} s, median {median:.0f} a second, slowest {seconds[slowest]} "
          f"({100 * seconds[slowest] / median:.0f} % of it) in second {slowest + 1}, near: {', '.join(near) or 'nothing'}")
    print(f"replace-all: {found['errors']} failed {found.get('errors_by_kind', {})}, {found['repeated']} sent again elsewhere; "
          f"p99 {found['writes']['p99_us'] / 1000:.1f} ms, longest {found['writes']['max_us'] / 1000:.0f} ms")
    print(f"replace-all: {writers.count} writes remembered, none lost at {', '.join(member.name for member in fleet.running)}; "
          f"the slowest took {writers.slowest * 1000:.0f} ms")
    if found["errors"]:
        raise fleets.Wrong(f"{found['errors']} requests failed although no leader died: {found['errors_by_kind']}")
    if seconds[slowest] < chosen.least * median:
        raise fleets.Wrong(f"second {slowest + 1} had {seconds[slowest]} writes, less than {chosen.least:.0%} of the median")


if __name__ == "__main__":
    sys.exit(main())
