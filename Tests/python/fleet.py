"""Real members that come, go and change, and writers that know what they were told. Imported once the stubs are there.

Shared by upgrade.py, replace_all.py and others: whoever starts members here ends them here, by their process.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import grpc
from cluster import free_ports
from storm_members import CHANNEL
from swiftwater.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc

LEADER = cluster_pb2.ROLE_LEADER


class Wrong(Exception):
    """Something that must hold does not."""


def wait_for(what, condition, seconds=60, pause=0.05):
    """What `condition` gives when it gives something; errors of a call mean: not yet."""
    until = time.monotonic() + seconds
    while True:
        try:
            if found := condition():
                return found
        except grpc.RpcError:
            pass
        if time.monotonic() > until:
            raise Wrong(f"after {seconds} s: not {what}")
        time.sleep(pause)


class Member:
    """One process of one program, with a data directory and an address of its own."""

    def __init__(self, fleet, name, endpoint, arguments):
        self.fleet, self.name, self.endpoint, self.arguments = fleet, name, endpoint, arguments
        self.data, self.log = fleet.directory / name, fleet.directory / f"{name}.log"
        self.process = None
        channel = grpc.insecure_channel(endpoint, options=[*CHANNEL, ("grpc.use_local_subchannel_pool", 1)])
        self.cluster, self.kv = cluster_pb2_grpc.ClusterStub(channel), kv_pb2_grpc.KVStub(channel)

    def start(self, binaries):
        """A newcomer joins at whoever runs; one that has data is who its disk says it is."""
        others = [member for member in self.fleet.running if member is not self]
        way = [] if "--initial-cluster" in self.arguments else ["--join", others[0].endpoint]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(pathlib.Path(binaries) / "swiftwaterd"), "--name", self.name, "--listen", self.endpoint,
                 "--data-dir", str(self.data), *self.arguments, *way],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    @property
    def runs(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds=20):
        """SIGTERM; the exit status has to be 0."""
        self.process.terminate()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Wrong(f"{self.name} did not end within {seconds} s of SIGTERM") from None
        if status != 0:
            raise Wrong(f"{self.name} ended with {status}: {self.last_words()}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def last_words(self):
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-4:])

    def status(self, timeout=1):
        return self.cluster.Status(cluster_pb2.StatusRequest(), timeout=timeout)

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Wrong(f"{self.name} has no memory")


class Fleet:
    """Members n1, n2, …; a context manager that leaves no process behind, and no data unless something was wrong."""

    def __init__(self, directory, founders, newcomers=0, more=()):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        endpoints = [f"127.0.0.1:{port}" for port in free_ports(founders + newcomers, skip=time.time_ns() // 1000 % 3000)]
        names = ",".join(f"n{i + 1}={endpoint}" for i, endpoint in enumerate(endpoints[:founders]))
        self.members = []
        for i, endpoint in enumerate(endpoints):
            way = ["--initial-cluster", names] if i < founders else []
            self.members.append(Member(self, f"n{i + 1}", endpoint, [*way, *more]))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for member in self.members:
            if member.runs:
                member.kill()
        if kind is None:
            shutil.rmtree(self.directory, ignore_errors=True)
        else:
            print(f"everything is kept in {self.directory}", file=sys.stderr)

    def __getitem__(self, name):
        return next(member for member in self.members if member.name == name)

    @property
    def running(self):
        return [member for member in self.members if member.runs]

    def endpoints(self, members=None):
        return ",".join(member.endpoint for member in members or self.members)

    def find_leader(self):
        """Who leads in the newest term and has been seen to take a write; None as long as there is none."""
        found = []
        for member in self.running:
            try:
                status = member.status()
            except grpc.RpcError:
                continue
            if status.role == LEADER:
                found.append((status.term, member))
        if not found:
            return None
        leader = max(found, key=lambda pair: pair[0])[1]
        leader.kv.Set(kv_pb2.SetRequest(key=b"fleet/leader", value=kv_pb2.Value(data=leader.name.encode())), timeout=1)
        return leader

    def wait_for_leader(self, seconds=60):
        return wait_for("a leader that takes writes", self.find_leader, seconds)

    def wait_until_caught_up(self, member, seconds=60):
        """It has applied what the leader has committed now."""
        wanted = self.wait_for_leader().status().commit_index
        wait_for(f"{member.name} has applied entry {wanted}", lambda: member.status().applied_index >= wanted, seconds)

    def wait_for_voters(self, names, seconds=120):
        def voters():
            return sorted(member.name for member in self.wait_for_leader().status().members if member.voter) == sorted(names)
        wait_for(f"the voters are {names}", voters, seconds)

    def transfer(self, member, seconds=30):
        def done():
            leader = self.find_leader()
            if leader is member:
                return True
            if leader is not None:
                leader.cluster.TransferLeadership(cluster_pb2.TransferLeadershipRequest(name=member.name), timeout=5)
            return False
        wait_for(f"{member.name} leads", done, seconds)


class Writers:
    """Threads that give one new key after the other a value, each in a session, and send a write again until they know. Any
    write that is not acknowledged in the end is wrong."""

    def __init__(self, fleet, count=4, patience=20.0, rate=None):
        self.fleet, self.patience, self.pause = fleet, patience, count / rate if rate else 0.0
        self.stopping = threading.Event()
        self.acknowledged = [0] * count
        self.repeated, self.slowest, self.failure = 0, 0.0, None
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(count)]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def key(writer, number):
        return f"written/{writer}/{number}".encode()

    def run(self, writer):
        try:
            session, sequence = 0, 0
            while not self.stopping.is_set():
                number = self.acknowledged[writer]
                began = time.monotonic()
                if not session:
                    request = cluster_pb2.OpenSessionRequest()
                    session, sequence = self.ask(writer, "cluster", "OpenSession", request).session_id, 0
                sequence += 1
                self.ask(writer, "kv", "Set", kv_pb2.SetRequest(
                    key=self.key(writer, number), value=kv_pb2.Value(data=b"value of " + self.key(writer, number)),
                    request_id=kv_pb2.RequestId(session_id=session, sequence=sequence)))
                self.acknowledged[writer] = number + 1
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.stopping.wait(self.pause) if self.pause else None
        except Exception as error:  # noqa: BLE001: whoever waits for the writers is told
            self.failure = self.failure or error

    def ask(self, writer, service, method, request):
        until, at = time.monotonic() + self.patience, writer
        while True:
            running = self.fleet.running
            member = running[at % len(running)]
            try:
                return getattr(getattr(member, service), method)(request, timeout=2)
            except grpc.RpcError as error:
                if time.monotonic() > until:
                    raise Wrong(f"a write was not acknowledged in {self.patience} s: {error.details()}") from None
                self.repeated += 1
                at += 1
                time.sleep(0.02)

    @property
    def count(self):
        return sum(self.acknowledged)

    def wait_for_more(self, count, seconds=60):
        wanted = self.count + count
        while self.count < wanted:
            if self.failure:
                raise self.failure
            seconds -= 0.02
            if seconds < 0:
                raise Wrong(f"there were not {count} more writes in time")
            time.sleep(0.02)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(self.patience + 10)
        if self.failure:
            raise self.failure

    def verify(self, members):
        """Every acknowledged write is at every one of these members, whole."""
        for member in members:
            self.fleet.wait_until_caught_up(member)
            for writer, count in enumerate(self.acknowledged):
                for first in range(0, count, 500):
                    keys = [self.key(writer, number) for number in range(first, min(first + 500, count))]
                    # At this member's own store.
                    held = [member.kv.Get.future(kv_pb2.GetRequest(key=key, consistency=kv_pb2.LOCAL), timeout=10) for key in keys]
                    for key, answer in zip(keys, held):
                        if answer.result().value.data != b"value of " + key:
                            raise Wrong(f"{member.name} does not have {key.decode()}, which was acknowledged")


def bench(binaries, endpoints, *arguments):
    """`swiftwater bench`, to its end: what it found."""
    done = subprocess.run(
        [str(pathlib.Path(binaries) / "swiftwater"), "--endpoints", endpoints, "bench", "--output", "json", *map(str, arguments)],
        capture_output=True, text=True, check=False)
    if not done.stdout:
        raise Wrong(f"bench ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)
