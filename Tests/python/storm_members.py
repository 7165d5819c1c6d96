"""Real members that can be killed, frozen and cut off, as the storm sees them. Imported once the stubs are there."""

import pathlib
import signal
import subprocess
import threading
import time

import grpc
from swiftwater.v1 import cluster_pb2, cluster_pb2_grpc, fault_pb2, fault_pb2_grpc

# A member that comes back is found again at once, and not after gRPC's patience of up to two minutes. (The second of
# these is also how long a connection may take to be made.)
CHANNEL = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 2000),
           ("grpc.max_reconnect_backoff_ms", 300), ("grpc.max_send_message_length", 64 << 20),
           ("grpc.max_receive_message_length", 64 << 20)]

UP, DOWN, FROZEN = "up", "down", "frozen"


class Timeline:
    """What happened when, in a file and for the end; and everything that is wrong."""

    def __init__(self, path):
        self.began = time.monotonic()
        self.file = open(path, "w", encoding="utf-8")
        self.wrong = []
        self.counts = {}
        self.lock = threading.Lock()

    def note(self, text, kind=None):
        with self.lock:
            if kind:
                self.counts[kind] = self.counts.get(kind, 0) + 1
            self.file.write(f"{time.monotonic() - self.began:9.3f}  {text}\n")
            self.file.flush()

    def complain(self, text):
        self.note(f"WRONG: {text}")
        print(f"storm: WRONG: {text}", flush=True)
        with self.lock:
            self.wrong.append(text)


class StormMember:
    """One process. Its state is what the storm wants it to be; `look` complains when it is not."""

    def __init__(self, number, endpoint, directory, arguments, timeline):
        self.number, self.name, self.endpoint = number, f"n{number}", endpoint
        self.data, self.log = directory / self.name, directory / f"{self.name}.log"
        self.arguments, self.timeline = arguments, timeline
        self.state, self.process = DOWN, None
        channel = grpc.insecure_channel(endpoint, options=[*CHANNEL, ("grpc.use_local_subchannel_pool", 1)])
        self.cluster = cluster_pb2_grpc.ClusterStub(channel)
        self.fault = fault_pb2_grpc.FaultStub(channel)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.arguments, "--name", self.name, "--listen", self.endpoint, "--data-dir", str(self.data)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.started = time.monotonic()
        self.state = UP

    def kill(self):
        self.state = DOWN
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """SIGTERM: the contract gives it five seconds, and an exit status of 0. This machine gets a few more."""
        self.state = DOWN
        self.process.terminate()
        began = time.monotonic()
        # A program that has hardly begun ends as any does: nothing of it listens for signals yet.
        is_new = began - self.started < 0.5
        try:
            status = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.timeline.complain(f"{self.name} did not end within 15 s of SIGTERM")
        if status != 0 and not (is_new and status == -signal.SIGTERM):
            self.timeline.complain(f"{self.name} ended with {status} on SIGTERM: {self.last_words()}")
        self.timeline.note(f"{self.name} ended {time.monotonic() - began:.3f} s after SIGTERM")

    def freeze(self):
        self.state = FROZEN
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)
        self.state = UP

    def look(self):
        """A member that ended by itself is a finding; it is started again."""
        if self.state == UP and (status := self.process.poll()) is not None:
            self.timeline.complain(f"{self.name} ended by itself with {status}: {self.last_words()}")
            self.start()

    def last_words(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return " | ".join(lines[-3:])

    def status(self, timeout=1):
        return self.cluster.Status(cluster_pb2.StatusRequest(), timeout=timeout)


class StormCluster:
    def __init__(self, binaries, directory, endpoints, timeline):
        self.directory, self.timeline = directory, timeline
        names = ",".join(f"n{i + 1}={endpoint}" for i, endpoint in enumerate(endpoints))
        arguments = [str(pathlib.Path(binaries) / "swiftwaterd"), "--initial-cluster", names, "--enable-faults"]
        self.members = [StormMember(i + 1, endpoint, directory, arguments, timeline) for i, endpoint in enumerate(endpoints)]
        # What each member shall do to its links, by (member, peer); and which members have not been told yet.
        self.links, self.untold = {}, set()

    def of(self, state):
        return [member for member in self.members if member.state == state]

    def leader(self):
        """The member that leads in the newest term, as far as anybody says."""
        found = []
        for member in self.of(UP):
            try:
                status = member.status(0.3)
            except grpc.RpcError:
                continue
            if cluster_pb2.Role.Name(status.role).endswith("LEADER"):
                found.append((status.term, member.number, member))
        return max(found)[2] if found else None

    # Links. A member that is dead or frozen is told when it can hear.

    def set_link(self, member, peer, to=False, back=False, delay_ms=0):
        """What `member` does to what it sends to `peer` (to, delay_ms) and hears from it (back)."""
        self.links[member.number, peer.number] = fault_pb2.Link(peer=peer.name, drop_to=to, drop_from=back, delay_ms=delay_ms)
        self.untold.add(member.number)

    def heal_links(self, pairs):
        for member, peer in pairs:
            self.set_link(member, peer)

    def forget_links(self, member):
        """A process that starts knows no faults."""
        if any(not self.is_whole(link) for (number, _), link in self.links.items() if number == member.number):
            self.untold.add(member.number)

    @staticmethod
    def is_whole(link):
        return not (link.drop_to or link.drop_from or link.delay_ms)

    def tell(self):
        for member in self.of(UP):
            if member.number not in self.untold:
                continue
            links = [link for (number, _), link in self.links.items() if number == member.number]
            try:
                member.fault.SetLinks(fault_pb2.SetLinksRequest(links=links), timeout=0.5)
                self.untold.discard(member.number)
            except grpc.RpcError:
                pass  # it is starting, or too busy: it is told at the next turn

    def has_majority(self):
        """Whether some member that runs can speak with enough others, both ways, to lead."""
        up = self.of(UP)
        needed = len(self.members) // 2 + 1

        def speaks(one, other):
            return one is other or not any(
                (link := self.links.get((a.number, b.number))) and (link.drop_to or link.drop_from) for a, b in ((one, other), (other, one)))
        return any(sum(speaks(one, other) for other in up) >= needed for one in up)

    def bring_back_all(self):
        """Everybody runs, nothing is cut."""
        for member in self.of(FROZEN):
            member.thaw()
        for member in self.of(DOWN):
            member.start()
        self.links = {pair: fault_pb2.Link(peer=link.peer) for pair, link in self.links.items()}
        until = time.monotonic() + 30
        waiting = list(self.members)
        while waiting:
            try:
                waiting[0].fault.Heal(fault_pb2.HealRequest(), timeout=1)
                waiting.pop(0)
            except grpc.RpcError as error:
                waiting[0].look()
                if time.monotonic() > until:
                    self.timeline.complain(f"{waiting[0].name} does not come back within 30 s: {error.details()}")
                    return
                time.sleep(0.05)
        self.untold = set()

    def look(self):
        for member in self.members:
            member.look()

    def end(self):
        for member in self.members:
            if member.process and member.process.poll() is None:
                member.process.send_signal(signal.SIGCONT)
                member.process.kill()
                member.process.wait()
