#!/usr/bin/env python3
"""What a large store costs: Swiftwater beside Debian's etcd, with the same keys, on this machine, one after the other.

    big_state.py --binaries DIR [--keys 1000000] [--value-size 256] [--stores swiftwater,etcd] [--json FILE]

Three members each, as they come, fsync on. Measured, for each store:

  memory      resident bytes of each member when all keys are there and it has been quiet for five seconds
  restart     kill -9 of a follower; from its start to the first answer, from its own store, that holds the last key
  catch-up    a new member with an empty disk, while writers write: from its start until it has all keys and all that was
              written before its start, by its own word
  p99         of those writers' writes, in the ten seconds before and during the catch-up (at least five seconds of it)

and for Swiftwater alone, when the newcomer has left again, the rate of a full load by second through the snapshots that it causes,
with the seconds in which one was being written, and how long the members' loops were busy at a time (`swiftwater_loop_turn_seconds`), by the clock: where
there are more busy threads than processors that counts the others' turns too. As root it tells beside them for how long the
processors stood still: a thread of real-time priority on each looks at the clock. etcd takes no snapshots of such a kind.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import grpc
from bench_vs_etcd import Broken, field, free_ports, parse, varint

PREFIX = b"bench/"
OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.min_reconnect_backoff_ms", 1000), ("grpc.initial_reconnect_backoff_ms", 20),
           ("grpc.max_reconnect_backoff_ms", 50)]


def key(number):
    return PREFIX + b"%09d" % number


def wait_for(what, condition, seconds=300, pause=0.01):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if found := condition():
                return found
        except grpc.RpcError:
            pass
        time.sleep(pause)
    raise Broken(f"after {seconds} s: not {what}")


class Store:
    """Three members of one kind, and room for a fourth."""

    def __init__(self, directory, chosen):
        self.directory, self.chosen = directory / self.name, chosen
        self.directory.mkdir()
        self.ports = free_ports(8)
        self.processes, self.channels = {}, {}

    def spawn(self, i, arguments):
        log = open(self.directory / f"{i}.log", "ab")
        self.processes[i] = subprocess.Popen(arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def stop(self):
        for process in self.processes.values():
            process.kill()
            process.wait()

    def call(self, i, path, body, timeout=5):
        if i not in self.channels:
            self.channels[i] = grpc.insecure_channel(f"127.0.0.1:{self.ports[i]}", options=OPTIONS)
        return self.channels[i].unary_unary(path)(body, timeout=timeout)

    def resident(self):
        found = {}
        for i, process in self.processes.items():
            text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            found[i] = next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmRSS:"))
        return found

    def restart(self):
        """Seconds until a follower that was killed serves again."""
        follower = next(i for i in range(3) if i != self.leader())
        self.processes[follower].kill()
        self.processes[follower].wait()
        time.sleep(1)
        began = time.monotonic()
        self.start(follower)
        wait_for("served by the follower", lambda: self.has_last_key(follower))
        return time.monotonic() - began

    def catch_up(self):
        """(seconds until a newcomer has it all, p99 before, p99 meanwhile), in seconds."""
        leader = self.leader()
        writers = Writers(lambda body: self.call(leader, self.write_path, body), self.write_body)
        time.sleep(10)
        writers.mark()
        self.invite(leader)
        mark = self.position(leader)
        began = time.monotonic()
        self.start(3)
        wait_for("caught up", lambda: self.has_all(3, mark))
        took = time.monotonic() - began
        time.sleep(max(0, 5 - took))
        before, during = writers.stop()
        return took, before, during


class Etcd(Store):
    name, write_path = "etcd", "/etcdserverpb.KV/Put"

    @staticmethod
    def write_body(number, value):
        return field(1, b"writers/%d" % number) + field(2, value)

    def start(self, i):
        members = range(4 if i == 3 else 3)
        client, peer = f"http://127.0.0.1:{self.ports[i]}", f"http://127.0.0.1:{self.ports[4 + i]}"
        self.spawn(i, [
            "etcd", "--name", f"e{i}", "--data-dir", str(self.directory / f"e{i}"), "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", ",".join(f"e{j}=http://127.0.0.1:{self.ports[4 + j]}" for j in members),
            "--initial-cluster-state", "existing" if i == 3 else "new", "--logger", "zap", "--log-level", "warn"])

    def leader(self):
        def find():
            for i in range(3):
                status = parse(self.call(i, "/etcdserverpb.Maintenance/Status", b"", 1))
                if status.get(4) and status[4] == parse(status[1]).get(2):
                    return i + 1
            return None
        return wait_for("a leader of etcd", find) - 1

    def load(self, values):
        leader, size = self.leader(), 100

        def batch(first):
            operations = b"".join(
                field(2, field(2, field(1, key(number)) + field(2, values[number % len(values)])))
                for number in range(first, min(first + size, self.chosen.keys)))
            self.call(leader, "/etcdserverpb.KV/Txn", operations, 60)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for _ in pool.map(batch, range(0, self.chosen.keys, size)):
                pass

    def has_last_key(self, i):
        body = field(1, key(self.chosen.keys - 1)) + varint(7 << 3) + varint(1)
        return 2 in parse(self.call(i, "/etcdserverpb.KV/Range", body, 1))

    def position(self, i):
        """The store's revision."""
        return parse(parse(self.call(i, "/etcdserverpb.Maintenance/Status", b""))[1]).get(3, 0)

    def has_all(self, i, mark):
        # Its own store: serializable, and only counted.
        body = field(1, PREFIX) + field(2, b"bench0") + varint(7 << 3) + varint(1) + varint(9 << 3) + varint(1)
        answer = parse(self.call(i, "/etcdserverpb.KV/Range", body, 10))
        return answer.get(4, 0) >= self.chosen.keys and parse(answer[1]).get(3, 0) >= mark

    def invite(self, leader):
        self.call(leader, "/etcdserverpb.Cluster/MemberAdd", field(1, f"http://127.0.0.1:{self.ports[7]}".encode()), 30)


class Swiftwater(Store):
    name, write_path = "swiftwater", "/swiftwater.v1.KV/Set"

    @staticmethod
    def write_body(number, value):
        return field(1, b"writers/%d" % number) + field(2, field(1, value))

    def start(self, i):
        names = ",".join(f"n{j}=127.0.0.1:{self.ports[j]}" for j in range(3))
        way = ["--join", f"127.0.0.1:{self.ports[0]}"] if i == 3 else ["--initial-cluster", names]
        self.spawn(i, [
            str(self.chosen.binaries / "swiftwaterd"), "--name", f"n{i}", "--data-dir", str(self.directory / f"n{i}"),
            "--listen", f"127.0.0.1:{self.ports[i]}", "--http", f"127.0.0.1:{self.ports[4 + i]}", *way, *(["--snapshot-after", self.chosen.snapshot_after] if self.chosen.snapshot_after else [])])

    def status(self, i):
        return parse(self.call(i, "/swiftwater.v1.Cluster/Status", b"", 1))

    def leader(self):
        return wait_for("a leader of swiftwater", lambda: next((i + 1 for i in range(3) if self.status(i).get(1) == 4), None)) - 1

    def bench(self, *arguments):
        done = subprocess.run(
            [str(self.chosen.binaries / "swiftwater"), "--endpoints", f"127.0.0.1:{self.ports[self.leader()]}", "bench", "--output", "json",
             "--keys", str(self.chosen.keys), "--value-size", str(self.chosen.value_size), "--reads", "0", *map(str, arguments)],
            capture_output=True, text=True, check=False)
        found = json.loads(done.stdout) if done.stdout else {"errors": done.stderr}
        if found["errors"]:
            raise Broken(f"bench: {found}")
        return found

    def load(self, _):
        self.bench("--fill", "--clients", 16, "--inflight", 16, "--seconds", 0.1)

    def has_last_key(self, i):
        body = field(1, key(self.chosen.keys - 1)) + varint(2 << 3) + varint(2)
        return 1 in parse(self.call(i, "/swiftwater.v1.KV/Get", body, 1))

    def position(self, i):
        return self.status(i)[5]

    def has_all(self, i, mark):
        return self.status(i).get(6, 0) >= mark and self.has_last_key(i)

    def invite(self, leader):
        """It asks for itself."""

    def dismiss(self, i):
        """A member leaves for good."""
        # ChangeStatus OK is 1.
        if parse(self.call(self.leader(), "/swiftwater.v1.Cluster/RemoveServer", field(1, b"n%d" % i), 30)).get(1) != 1:
            raise Broken(f"n{i} could not be removed")
        process = self.processes.pop(i)
        process.kill()
        process.wait()

    def turns(self, i):
        """How many turns of the member's loop took longer than each bound, in seconds."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[4 + i]}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        name = 'swiftwater_loop_turn_seconds_bucket{le="'
        within = {line[len(name):].split('"')[0]: int(line.split()[-1]) for line in lines if line.startswith(name)}
        return {0.0: within["+Inf"], **{float(bound): within["+Inf"] - count for bound, count in within.items() if bound != "+Inf"}}

    def through_snapshots(self, seconds):
        """(writes by second, the seconds in which the leader wrote a snapshot, each member's turns longer than the bounds, `Stillness`)."""
        before = [self.turns(i) for i in range(3)]
        directory = self.directory / f"n{self.leader()}"
        seen, stopping = set(), threading.Event()
        began = time.monotonic()

        def watch():
            while not stopping.wait(0.02):
                if any(name.startswith("snapshot-") and name.endswith(".new") for name in os.listdir(directory)):
                    seen.add(int(time.monotonic() - began))
        watcher = threading.Thread(target=watch)
        watcher.start()
        stillness = Stillness()
        try:
            found = self.bench("--clients", 50, "--inflight", 10, "--seconds", seconds)
        finally:
            stopping.set()
            watcher.join()
            still = stillness.stop()
        turns = [{bound: count - old[bound] for bound, count in self.turns(i).items()} for i, old in enumerate(before)]
        return found["per_second"][:int(found["seconds"])], sorted(seen), turns, still


class Stillness:
    """The moments in which a processor kept a thread of real-time priority waiting: not the members' doing. Only for root."""

    watch = (
        "import os, sys, time\n"
        "os.sched_setaffinity(0, [int(sys.argv[1])])\n"
        "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))\n"
        "last = time.monotonic()\n"
        "while os.getppid() == int(sys.argv[2]):\n"
        "    time.sleep(0.001)\n"
        "    now = time.monotonic()\n"
        "    if now - last > 0.01: print(f'{1000 * (now - last):.0f}', flush=True)\n"
        "    last = now\n")

    def __init__(self):
        processors = sorted(os.sched_getaffinity(0)) if os.geteuid() == 0 else []
        self.watchers = [
            subprocess.Popen([sys.executable, "-c", self.watch, str(processor), str(os.getpid())], stdout=subprocess.PIPE, text=True)
            for processor in processors]

    def stop(self):
        """Milliseconds of each, longest first; None when nobody could watch."""
        found = []
        for watcher in self.watchers:
            watcher.terminate()
            found += [int(line) for line in watcher.communicate()[0].split()]
        return sorted(found, reverse=True) if self.watchers else None


class Writers:
    """Four threads with a write every ten milliseconds each, and how long each took."""

    def __init__(self, write, body):
        self.write, self.body = write, body
        self.value = os.urandom(256)
        self.stopping = threading.Event()
        self.latencies = ([], [])
        self.phase = 0
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(4)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        while not self.stopping.is_set():
            began = time.monotonic()
            try:
                self.write(self.body(number, self.value))
                took = time.monotonic() - began
            except grpc.RpcError:
                took = 5.0
            self.latencies[self.phase].append(took)
            self.stopping.wait(max(0.0, 0.01 - took))

    def mark(self):
        self.phase = 1

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        return tuple(statistics.quantiles(latencies, n=100)[98] for latencies in self.latencies)


def measure(store, chosen):
    found = {}
    values = [os.urandom(chosen.value_size) for _ in range(64)]
    for i in range(3):
        store.start(i)
    store.leader()
    began = time.monotonic()
    store.load(values)
    found["load_s"] = time.monotonic() - began
    mark = store.position(store.leader())
    for i in range(3):
        wait_for(f"all keys at {i}", lambda: store.has_all(i, mark))
    time.sleep(5)
    found["resident"] = sorted(store.resident().values())
    found["restart_s"] = store.restart()
    found["catch_up_s"], found["p99_before_s"], found["p99_during_s"] = store.catch_up()
    if isinstance(store, Swiftwater):
        store.dismiss(3)
        found["per_second"], found["snapshot_seconds"], found["turns"], found["still_ms"] = store.through_snapshots(chosen.seconds)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", type=pathlib.Path, required=True)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--value-size", type=int, default=256)
    parser.add_argument("--seconds", type=int, default=30, help="of the load through snapshots")
    parser.add_argument("--snapshot-after", default=None, help="what Swiftwater's members are told: with few keys, 4MiB shows snapshots")
    parser.add_argument("--stores", default="swiftwater,etcd")
    parser.add_argument("--directory", type=pathlib.Path, default=None, help="where data goes: on a real disk")
    parser.add_argument("--json", type=pathlib.Path, default=None)
    chosen = parser.parse_args()
    results = {}
    parent = chosen.directory or pathlib.Path(__file__).resolve().parent.parent / ".build"
    with tempfile.TemporaryDirectory(prefix="big-state-", dir=parent) as directory:
        for kind in [Swiftwater, Etcd]:
            if kind.name not in chosen.stores.split(","):
                continue
            store = kind(pathlib.Path(directory), chosen)
            try:
                print(f"big-state: {kind.name}, {chosen.keys} keys of {chosen.value_size} bytes", flush=True)
                results[kind.name] = measure(store, chosen)
            except Broken as broken:
                sys.exit(f"big-state: {kind.name}: {broken}")
            finally:
                store.stop()
    report(results)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1))
    return 0


def report(results):
    rows = [("resident, the largest member, MiB", lambda found: found["resident"][-1] / 2**20), ("kill -9 and start to serving, s", lambda found: found["restart_s"]),
            ("new empty member has it all, s", lambda found: found["catch_up_s"]), ("p99 of writes before, ms", lambda found: found["p99_before_s"] * 1000),
            ("p99 of writes meanwhile, ms", lambda found: found["p99_during_s"] * 1000), ("loading, s", lambda found: found["load_s"])]
    print(f"\n{'':36}" + "".join(f"{name:>12}" for name in results))
    for label, value in rows:
        print(f"{label:36}" + "".join(f"{value(found):12.2f}" for found in results.values()))
    if found := results.get("swiftwater"):
        rates = found["per_second"]
        median = statistics.median(rates)
        print(f"\nwrites a second through snapshots: median {median:.0f}, slowest {min(rates)} ({100 * min(rates) / median:.0f} %)")
        print("  " + " ".join(f"{rate}{'*' if second in found['snapshot_seconds'] else ''}" for second, rate in enumerate(rates))
              + "   (* the leader wrote a snapshot)")
        bounds = [bound for bound in found["turns"][0] if bound == 0 or bound >= 0.005]
        print("\nturns of the loops, all, and longer than:" + "".join(f"{bound * 1000:8.0f} ms" for bound in bounds[1:]))
        for i, turns in enumerate(found["turns"]):
            print(f"  n{i} {turns[0]:37}" + "".join(f"{turns[bound]:11}" for bound in bounds[1:]))
        if (still := found["still_ms"]) is not None:
            print("processors that stood still for more than 10 ms, by themselves: " + (", ".join(f"{ms} ms" for ms in still) or "none"))


if __name__ == "__main__":
    sys.exit(main())
