#!/usr/bin/env python3
"""How long writers wait when the leader is restarted on purpose.

    handover.py BINARIES [--times 20] [--writers 8] [--most 50]

Three members on loopback; writers, each at a follower, write without a pause. The leader is ended with SIGTERM and started again,
so many times. The gap is the longest time without an acknowledged write around each end. Ends with 1 when the median gap is
above `--most` milliseconds, or a write that was acknowledged is gone.
"""

import argparse
import signal
import statistics
import sys
import threading
import time

from cluster import Cluster, generate_stubs


class Writer(threading.Thread):
    """Writes numbers to a key of its own, to whoever takes them."""

    def __init__(self, number, members):
        super().__init__(daemon=True)
        self.number, self.members = number, members
        self.acknowledged, self.last, self.done = [], 0, False

    def run(self):
        import grpc
        place = self.number
        value = 0
        while not self.done:
            value += 1
            try:
                member = self.members[place % len(self.members)]
                member.kv.Set(member.pb.SetRequest(key=b"handover-%d" % self.number, value=member.data(b"%d" % value)), timeout=2)
                self.last = value
                self.acknowledged.append(time.monotonic())
            except grpc.RpcError:
                place += 1
                time.sleep(0.001)


def leader_of(members):
    import grpc
    while True:
        for place, member in enumerate(members):
            try:
                status = member.cluster.Status(member.cluster_pb.StatusRequest(), timeout=1)
                if status.role == member.cluster_pb.ROLE_LEADER:
                    return place
            except grpc.RpcError:
                continue
        time.sleep(0.02)


def settled(members):
    """Waits until all members follow one leader and have what it has."""
    import grpc
    while True:
        try:
            seen = [member.cluster.Status(member.cluster_pb.StatusRequest(), timeout=1) for member in members]
            if len({status.leader for status in seen}) == 1 and seen[0].leader and max(
                    status.commit_index for status in seen) - min(status.commit_index for status in seen) < 200:
                return
        except grpc.RpcError:
            pass
        time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--most", type=float, default=50)
    options = parser.parse_args()
    stubs = generate_stubs()
    from member import Member
    gaps = []
    with Cluster(options.binaries) as cluster:
        members = [Member(endpoint) for endpoint in cluster.endpoints]
        leader_of(members)
        writers = [Writer(number, members) for number in range(options.writers)]
        for writer in writers:
            writer.start()
        for turn in range(options.times):
            settled(members)
            time.sleep(1)
            place = leader_of(members)
            began = time.monotonic()
            cluster.processes[place].send_signal(signal.SIGTERM)
            code = cluster.processes[place].wait(10)
            time.sleep(1.5)
            times = sorted(moment for writer in writers for moment in list(writer.acknowledged) if moment > began - 0.2)
            gap = max(after - before for before, after in zip(times, times[1:])) * 1000
            gaps.append(gap)
            print(f"{turn + 1:3}: n{place + 1} ended with {code}, {gap:.0f} ms without a write", flush=True)
            cluster.restart(place)
        for writer in writers:
            writer.done = True
        for writer in writers:
            writer.join(5)
        settled(members)
        lost = 0
        for writer in writers:
            lost += int(members[0].get(b"handover-%d" % writer.number).value.data) < writer.last
        count = sum(len(writer.acknowledged) for writer in writers)
    print(f"median {statistics.median(gaps):.0f} ms, worst {max(gaps):.0f} ms, {count:,} writes acknowledged, {lost} keys went back")
    del stubs
    sys.exit(1 if lost or statistics.median(gaps) > options.most else 0)


main()
