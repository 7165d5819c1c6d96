#!/usr/bin/env python3
"""What a read of each strength costs, and what three members give together.

Three members on loopback; h2load sends one Get again and again: to the leader with each consistency, to a follower, and to all
three members at once. A run counts only when every answer has the bytes of a right one (bench_vs_etcd.py tells why that proves
it). Beside the rates stand the processor's time that a read took, of the members and of h2load: on a machine whose processors
are all in use, it and nothing else decides how many reads there can be. With `--share` each member has so much of one processor
for itself and no more (a control group of the kernel's; needs root): what machines of their own would be to them.
"""

import argparse
import atexit
import concurrent.futures
import json
import os
import pathlib
import resource
import shutil
import statistics
import sys
import tempfile

import bench_vs_etcd as bench
from bench_vs_etcd import Broken, Swiftwater, compiled_messages, free_ports, h2load

ROOT = pathlib.Path(__file__).resolve().parent.parent
STRENGTHS = ("LINEARIZABLE", "LEASE", "LOCAL")


class Shares:
    """A control group for each process, with a part of a processor."""

    PERIOD_US = 10_000

    def __init__(self, processes, percent):
        root = pathlib.Path("/sys/fs/cgroup")
        self.groups = []
        old = root / "cpu"
        for number, process in enumerate(processes):
            group = (old if old.is_dir() else root) / f"swiftwater-{os.getpid()}-{number}"
            quota = self.PERIOD_US * percent // 100
            try:
                group.mkdir()
                self.groups.append(group)
                if old.is_dir():
                    (group / "cpu.cfs_period_us").write_text(str(self.PERIOD_US))
                    (group / "cpu.cfs_quota_us").write_text(str(quota))
                else:
                    (group / "cpu.max").write_text(f"{quota} {self.PERIOD_US}")
                (group / "cgroup.procs").write_text(str(process.pid))
            except OSError as error:
                raise Broken(f"no control group for --share: {error}") from error

    def end(self):
        """After its processes: a group that holds one does not go."""
        for group in self.groups:
            group.rmdir()


class Reads:
    def __init__(self, store, kv, load):
        self.store, self.kv = store, kv
        self.clients, self.streams = map(int, load.split("x"))

    def body(self, strength):
        return self.kv.GetRequest(key=bench.KEY, consistency=self.kv.Consistency.Value(strength)).SerializeToString()

    def run(self, ports, strength, requests):
        """Reads a second of all `ports` together, and the processor's microseconds for one: the members', and h2load's."""
        body, path = self.body(strength), self.store.read_path
        # LOCAL answers tell their age, so their length varies: the shortest right one holds the value.
        sizes = [5 + len(self.store.call(port, path, body)) for port in ports]
        for port in ports:
            answer = self.kv.GetResponse.FromString(self.store.call(port, path, body))
            if answer.value.data != self.store.value:
                raise Broken("a read gave another value than the one that was written")
        each, clients = requests // len(ports), max(1, self.clients // len(ports))
        members, load = self.store.cpu_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN)
        with concurrent.futures.ThreadPoolExecutor(len(ports)) as pool:
            results = list(pool.map(lambda port: h2load(port, path, body, clients, self.streams, each), ports))
        members = self.store.cpu_seconds() - members
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        load = after.ru_utime + after.ru_stime - load.ru_utime - load.ru_stime
        for (_, _, data), size in zip(results, sizes):
            if data < each * (size - 8):
                raise Broken(f"{data} bytes of answers, and {each} right ones have {size} each: some were errors")
        seconds = max(took for took, _, _ in results)
        done = each * len(ports)
        return {"strength": strength, "members": len(ports), "rate": round(done / seconds), "seconds": round(seconds, 2),
                "members_us": round(members / done * 1e6, 2), "h2load_us": round(load / done * 1e6, 2)}


def arguments():
    parser = argparse.ArgumentParser(description="What a read of each strength costs.")
    parser.add_argument("--swiftwaterd", default=str(ROOT / ".build/release/swiftwaterd"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="about how long a run takes")
    parser.add_argument("--load", default="100x1", help="clients x streams")
    parser.add_argument("--value-size", type=int, default=256, help="bytes")
    parser.add_argument("--share", type=int, metavar="PERCENT", help="what each member has of one processor")
    parser.add_argument("--json", help="also write every run to this file")
    return parser.parse_args()


def main():
    options = arguments()
    base = ROOT / ".build"
    base.mkdir(exist_ok=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-reads-", dir=base))
    messages = compiled_messages(directory)
    value = (b"swiftwater " * (options.value_size // 11 + 1))[:options.value_size]
    store = Swiftwater(directory, free_ports(3), value, options.swiftwaterd, messages)

    shares = Shares(store.processes, options.share) if options.share else None

    def clean_up():
        store.stop()
        if shares:
            shares.end()
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(clean_up)
    leader = store.wait_for_leader()
    follower = next(port for port in store.ports if port != leader)
    reads = Reads(store, messages[0], options.load)
    wanted = [("the leader", [leader], strength) for strength in STRENGTHS]
    wanted += [("a follower", [follower], strength) for strength in STRENGTHS]
    wanted += [("all three", store.ports, strength) for strength in STRENGTHS]
    print(f"{options.load} clients x streams, values of {options.value_size} bytes, {os.cpu_count()} processors"
          + (f", of one of which each member has {options.share} %" if options.share else ""))
    runs, requests = [], {}
    for turn in range(options.rounds + 1):
        for place, ports, strength in wanted:
            # The first round only tells how many requests take so long.
            count = requests.get((place, strength), 20_000)
            run = reads.run(ports, strength, count) | {"place": place}
            requests[place, strength] = max(1000, int(run["rate"] * options.seconds))
            if turn == 0:
                continue
            runs.append(run)
            print(f"round {turn}  {place:11} {strength:13} {run['rate']:>9,} /s  {run['members_us']:6.1f} us of the members and "
                  f"{run['h2load_us']:.1f} us of h2load each", flush=True)
    if store.leader() != leader:
        raise Broken("the leader changed under the reads: run it again")
    show(runs, wanted)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(runs, indent=2) + "\n")


def show(runs, wanted):
    def median(place, strength, what):
        return statistics.median(run[what] for run in runs if (run["place"], run["strength"]) == (place, strength))

    one = median("the leader", "LINEARIZABLE", "rate")
    print(f"\n{'':11} {'':13} {'reads /s':>10} {'to the first':>13} {'members us':>11} {'h2load us':>10}")
    for place, _, strength in wanted:
        rate = median(place, strength, "rate")
        print(f"{place:11} {strength:13} {rate:>10,.0f} {rate / one:>13.2f} {median(place, strength, 'members_us'):>11.1f} "
              f"{median(place, strength, 'h2load_us'):>10.1f}")


if __name__ == "__main__":
    try:
        main()
    except Broken as broken:
        print(f"bench-reads: {broken}", file=sys.stderr)
        sys.exit(1)
