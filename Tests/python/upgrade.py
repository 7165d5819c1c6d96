#!/usr/bin/env python3
"""A rolling upgrade: a cluster of an older build becomes one of this build, a member at a time, under writes.

    upgrade.py OLD-BINARIES NEW-BINARIES [--directory DIR] [--seconds 2]

Three members of the old build; then, one after the other, each is stopped with SIGTERM and started on the same data with the
new one. After each step every member leads for a while, so that old leaders speak to new followers and new leaders to old
ones. In the middle a newcomer of the new build joins an old leader, and at the end one of the old build a new leader, both
with a snapshot. Writers write all the time, each write in a session: none may fail in the end, none may be lost, and at the
end all members hold the same. Exit status 1 when anything is wrong.
"""

import argparse
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from cluster import ROOT, generate_stubs  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("--directory", type=pathlib.Path, default=None)
    parser.add_argument("--seconds", type=float, default=2, help="how long each member leads each mixture")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    stubs = generate_stubs()
    import fleet as fleets

    directory = chosen.directory or ROOT / ".build" / "upgrades" / str(time.time_ns() // 1_000_000)
    try:
        # Snapshots often, so that newcomers need one.
        with fleets.Fleet(directory, 3, newcomers=2, more=["--snapshot-after", "4MiB"]) as fleet:
            upgrade(fleets, fleet, chosen)
    except fleets.Wrong as wrong:
        print(f"upgrade: WRONG: {wrong}\n0 passed, 1 failed")
        return 1
    finally:
        del stubs
    print("1 passed, 0 failed")
    return 0


def versions(fleet, new):
    return ", ".join(f"{member.name}{'*' if member.binaries == new else ''}" for member in fleet.running)


def start(member, binaries):
    member.binaries = binaries
    member.start(binaries)


def lead_in_turn(fleets, fleet, writers, chosen):
    """Every voter leads for a while."""
    for member in fleet.running:
        fleet.transfer(member)
        writers.wait_for_more(50)
        time.sleep(chosen.seconds)
    print(f"upgrade: each has led: {versions(fleet, chosen.new)} (* the new build), {writers.count} writes", flush=True)


def join(fleets, fleet, name, binaries, writers, chosen):
    """A newcomer that the log alone does not bring up: a snapshot has taken the place of its beginning."""
    leader = fleet.wait_for_leader()
    # The log keeps 32 MiB for followers a little behind.
    for _ in range(20):
        fleets.bench(chosen.new, leader.endpoint, "--clients", 4, "--inflight", 4, "--value-size", 16384, "--keys", 100, "--reads", 0,
                     "--seconds", 3)
        if leader.status().first_log_index > 1:
            break
    else:
        raise fleets.Wrong("the log was not cut, however much was written")
    start(fleet[name], binaries)
    fleet.wait_for_voters([member.name for member in fleet.running])
    fleet.wait_until_caught_up(fleet[name])
    if "snapshot" not in fleet[name].log.read_text(errors="replace"):
        raise fleets.Wrong(f"{name} came without a snapshot")
    writers.wait_for_more(50)
    print(f"upgrade: {name} has joined with a snapshot from {leader.name}: {versions(fleet, chosen.new)}", flush=True)


def upgrade(fleets, fleet, chosen):
    for member in fleet.members[:3]:
        start(member, chosen.old)
    fleet.wait_for_leader()
    writers = fleets.Writers(fleet, rate=400)
    lead_in_turn(fleets, fleet, writers, chosen)
    for step, member in enumerate(fleet.members[:3]):
        member.stop()
        writers.wait_for_more(50)
        start(member, chosen.new)
        fleet.wait_until_caught_up(member)
        lead_in_turn(fleets, fleet, writers, chosen)
        if step == 0:
            fleet.transfer(fleet["n2"])
            join(fleets, fleet, "n4", chosen.new, writers, chosen)
    join(fleets, fleet, "n5", chosen.old, writers, chosen)
    lead_in_turn(fleets, fleet, writers, chosen)
    writers.stop()
    writers.verify(fleet.running)
    fleet.wait_for_leader()

    def same():
        return len({(status.applied_index, status.revision) for status in (member.status() for member in fleet.running)}) == 1
    fleets.wait_for("all members have applied the same", same)
    print(f"upgrade: {writers.count} writes acknowledged, none lost, {writers.repeated} sent again; the slowest took "
          f"{writers.slowest * 1000:.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
