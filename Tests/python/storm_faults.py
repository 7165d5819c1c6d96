"""What befalls the members: each fault begins, lasts, and ends. Imported once the stubs are there."""

import os
import subprocess
import time

import grpc
from swiftwater.v1 import cluster_pb2, fault_pb2

from storm_members import UP

DISK_ERROR = 74


class Fault:
    """`begin` tells what it did, for the timeline, or None when there is nothing to do it to."""

    lasts = (1.0, 6.0)

    def __init__(self, cluster, dice):
        self.cluster, self.dice = cluster, dice

    def victim(self):
        up = self.cluster.of(UP)
        return self.dice.choice(up) if up else None

    def begin(self):
        raise NotImplementedError

    def end(self):
        pass


# Processes


class Kill(Fault):
    """kill -9, and back after a while."""
    lasts = (0.0, 5.0)

    def begin(self):
        leader = self.cluster.leader() if self.dice.random() < 0.5 else None
        self.member = leader or self.victim()
        if self.member is None or self.member.state != UP:
            return None
        self.member.kill()
        return f"kill -9 {self.member.name}{', the leader' if leader else ''}"

    def end(self):
        self.cluster.forget_links(self.member)
        self.member.start()


class LongAbsence(Kill):
    """Away for so long that the others cut their logs: it comes back to a snapshot."""
    lasts = (30.0, 45.0)


class PowerCut(Fault):
    """kill -9 to all at once."""
    lasts = (0.0, 1.0)

    def begin(self):
        self.members = self.cluster.of(UP)
        for member in self.members:
            member.process.kill()
        for member in self.members:
            member.kill()
        return "kill -9 to all of " + ", ".join(member.name for member in self.members) if self.members else None

    def end(self):
        for member in self.members:
            self.cluster.forget_links(member)
            member.start()


class Stop(Fault):
    """SIGTERM: it hands over and ends in order."""
    lasts = (0.0, 2.0)

    def begin(self):
        self.member = self.victim()
        if self.member is None:
            return None
        self.member.terminate()
        return f"SIGTERM to {self.member.name}"

    def end(self):
        self.cluster.forget_links(self.member)
        self.member.start()


class Freeze(Fault):
    """SIGSTOP and SIGCONT: time goes on without it."""
    lasts = (0.1, 5.0)

    def begin(self):
        leader = self.cluster.leader() if self.dice.random() < 0.6 else None
        self.member = leader or self.victim()
        if self.member is None or self.member.state != UP:
            return None
        self.member.freeze()
        return f"SIGSTOP {self.member.name}{', the leader' if leader else ''}"

    def end(self):
        self.member.thaw()


# Links. Each is set on both of its sides, so that it stays cut when a process starts anew.


class Links(Fault):
    pairs = ()

    def cut(self, senders, receivers):
        """What any of `senders` says to any of `receivers` is lost, where it leaves and where it arrives."""
        for sender in senders:
            for receiver in receivers:
                if sender is not receiver:
                    self.lost.add((sender, receiver))

    def begin(self):
        self.lost = set()
        what = self.choose()
        if what is None:
            return None
        self.pairs = {pair for a, b in self.lost for pair in ((a, b), (b, a))}
        for member, peer in self.pairs:
            self.cluster.set_link(member, peer, to=(member, peer) in self.lost, back=(peer, member) in self.lost)
        self.cluster.tell()
        return what

    def end(self):
        self.cluster.heal_links(self.pairs)
        self.cluster.tell()

    def choose(self):
        raise NotImplementedError


class Partition(Links):
    """Two sides that hear nothing of each other."""
    lasts = (1.0, 10.0)

    def choose(self):
        members = self.dice.sample(self.cluster.members, len(self.cluster.members))
        size = self.dice.randint(1, len(members) // 2)
        few, many = members[:size], members[size:]
        self.cut(few, many)
        self.cut(many, few)
        return f"partition {names(few)} | {names(many)}"


class LeaderIsolated(Links):
    lasts = (1.0, 8.0)

    def choose(self):
        leader = self.cluster.leader()
        if leader is None:
            return None
        self.cut([leader], self.cluster.members)
        self.cut(self.cluster.members, [leader])
        return f"{leader.name}, the leader, is cut off"


class LeaderInMinority(Links):
    """With company: it still has somebody to append to."""
    lasts = (1.0, 8.0)

    def choose(self):
        leader, size = self.cluster.leader(), (len(self.cluster.members) - 1) // 2
        if leader is None:
            return None
        others = [member for member in self.cluster.members if member is not leader]
        few = [leader, *self.dice.sample(others, size - 1)]
        many = [member for member in others if member not in few]
        self.cut(few, many)
        self.cut(many, few)
        return f"partition {names(few)} (with the leader) | {names(many)}"


class OneWay(Links):
    """One member is not heard by some, or does not hear them; half of the time it is the leader."""

    def choose(self):
        member = (self.cluster.leader() if self.dice.random() < 0.5 else None) or self.dice.choice(self.cluster.members)
        others = [other for other in self.cluster.members if other is not member]
        some = self.dice.sample(others, self.dice.randint(1, len(others)))
        if self.dice.random() < 0.5:
            self.cut([member], some)
            return f"{member.name} is not heard by {names(some)}"
        self.cut(some, [member])
        return f"{member.name} does not hear {names(some)}"


class Bridge(Links):
    """Two sides, and one member that hears both."""

    def choose(self):
        members = self.dice.sample(self.cluster.members, len(self.cluster.members))
        if len(members) < 3:
            return None
        half = (len(members) - 1) // 2
        left, right = members[1:1 + half], members[1 + half:]
        self.cut(left, right)
        self.cut(right, left)
        return f"{members[0].name} is the only bridge between {names(left)} and {names(right)}"


class Slow(Fault):
    """One member's links are slow in both directions."""

    def begin(self):
        self.member = self.dice.choice(self.cluster.members)
        delay = self.dice.choice([5, 20, 60, 150, 400])
        self.pairs = [pair for other in self.cluster.members if other is not self.member
                      for pair in ((self.member, other), (other, self.member))]
        for member, peer in self.pairs:
            self.cluster.set_link(member, peer, delay_ms=delay)
        self.cluster.tell()
        return f"{self.member.name}'s links take {delay} ms longer"

    def end(self):
        self.cluster.heal_links(self.pairs)
        self.cluster.tell()


class Drops(Fault):
    """Some messages of one kind do not arrive."""
    lasts = (0.2, 0.5)

    def begin(self):
        member = self.victim()
        kind = self.dice.choice([value for value in fault_pb2.MessageKind.values() if value])
        count = self.dice.choice([1, 1, 2, 5, 20])
        if member is None:
            return None
        try:
            member.fault.DropNext(fault_pb2.DropNextRequest(drop=fault_pb2.Drop(kind=kind, count=count)), timeout=0.5)
        except grpc.RpcError:
            return None
        return f"{member.name} loses {count} {fault_pb2.MessageKind.Name(kind).removeprefix('MESSAGE_KIND_').lower()}"


class Timer(Fault):
    """Election timers run out: of one, or of all at once, so that votes split."""
    lasts = (0.2, 0.5)

    def begin(self):
        up = self.cluster.of(UP)
        chosen = up if self.dice.random() < 0.5 else up[:1]
        calls = [member.fault.ExpireElectionTimer.future(fault_pb2.ExpireElectionTimerRequest(), timeout=0.5) for member in chosen]
        for call in calls:
            call.exception()  # a leader has no such timer, and says so
        return f"the election timers of {names(chosen)} run out"


class Transfer(Fault):
    """Leadership is handed to somebody, who may be dead, frozen or cut off."""
    lasts = (0.2, 0.5)

    def begin(self):
        leader, to = self.cluster.leader(), self.dice.choice(self.cluster.members)
        if leader is None or leader is to:
            return None
        call = leader.cluster.TransferLeadership.future(cluster_pb2.TransferLeadershipRequest(name=to.name), timeout=3)
        call.add_done_callback(lambda done: done.exception())
        return f"{leader.name} is to hand leadership to {to.name}"


# Disks


class Traced(Fault):
    """Something that strace does to one running member's system calls."""
    lasts = (0.5, 3.0)

    def attach(self, *injection):
        self.member = self.victim()
        if self.member is None:
            return False
        self.tracer = subprocess.Popen(
            ["strace", "-f", "-q", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", *injection, "-p", str(self.member.process.pid)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return True

    def detach(self):
        self.tracer.terminate()
        try:
            self.tracer.wait(5)
        except subprocess.TimeoutExpired:
            self.tracer.kill()
            self.tracer.wait()


class SlowDisk(Traced):
    def begin(self):
        delay = self.dice.choice([5, 30, 150])
        if not self.attach("-e", f"inject=fdatasync,fsync:delay_enter={delay * 1000}"):
            return None
        return f"{self.member.name}'s syncs take {delay} ms longer"

    def end(self):
        self.detach()


class FailingSync(Traced):
    """A sync fails: the member must end at once, with 74, and never try it again."""
    lasts = (0.5, 3.0)

    def begin(self):
        if not self.attach("-e", "inject=fdatasync,fsync:error=EIO"):
            return None
        # From here on its end is expected.
        self.member.state = "failing"
        return f"{self.member.name}'s syncs fail with EIO"

    def end(self):
        until = time.monotonic() + 3
        while self.member.process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        self.detach()
        try:
            # One whose sync failed while the tracer left may be on its way out.
            status = self.member.process.wait(0.5)
        except subprocess.TimeoutExpired:
            self.member.state = UP
            self.cluster.timeline.note(f"{self.member.name} had nothing to sync")
            return
        if status != DISK_ERROR:
            self.cluster.timeline.complain(
                f"{self.member.name} ended with {status}, not {DISK_ERROR}, when its sync failed: {self.member.last_words()}")
        self.cluster.forget_links(self.member)
        self.member.start()


class FullDisk(Fault):
    """The last member's disk, a small file system of its own, is full for a while."""
    lasts = (2.0, 8.0)

    def begin(self):
        member = self.cluster.members[-1]
        self.filler = member.data.parent / "filler"
        if self.filler.exists():
            return None
        with open(self.filler, "wb", buffering=0) as file:
            step = 16 << 20
            while step >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, step)
                except OSError:
                    step //= 2
        return f"{member.name}'s disk is full"

    def end(self):
        self.filler.unlink()


def names(members):
    return ",".join(member.name for member in members)
