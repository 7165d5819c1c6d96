"""Clients that write down what they asked for and what they were told. Imported once the stubs are there.

The lines are those of Sources/Simulation/History.swift, so that one checker reads what the simulator's clients saw and
what these saw.
"""

import itertools
import json
import random
import threading
import time

import grpc
from swiftwater.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc

from storm_members import CHANNEL

OK, NO, UNKNOWN = "ok", "not applied", "unknown"
# For so many seconds the contended keys stay the same: short histories of many keys are quick to check.
EPOCH = 5.0
KEYS = 6
BIG = 192 << 10


class History:
    """Every operation as a line of a file, and what has to be there at the end."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")
        self.lock = threading.Lock()
        self.processes = itertools.count()
        self.lines = 0
        self.outcomes = {}       # (op, outcome): how many
        self.acknowledged = []   # when writes were acknowledged, monotonic ns
        self.keys = set()        # of what stands in the file
        self.once = {}           # keys that are set once: key → value, of acknowledged sets
        self.once_unknown = {}   # the same, of sets that may or may not be applied
        self.big = {}            # key → [value's tag that was acknowledged last, tags of unknown sets]
        self.items = {}          # list that one client alone appends to → [(item, outcome)], in order
        self.retried = 0

    def record(self, process, op, key, arg, out, start, end, outcome, member, **more):
        ok = {OK: True, NO: False, UNKNOWN: None}[outcome]
        line = {"process": process, "op": op, "key": key, "arg": arg, "out": out if ok else None, "start": start,
                "end": None if ok is None else end, "ok": ok, "member": member, **more}
        with self.lock:
            self.lines += 1
            self.file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")
            if key is not None:
                self.keys.add(key)

    def count(self, op, outcome, end, is_write):
        with self.lock:
            self.outcomes[op, outcome] = self.outcomes.get((op, outcome), 0) + 1
            if is_write and outcome == OK:
                self.acknowledged.append(end)


def text(value):
    """A value as it stands in a history."""
    return list(value.list.items) if value.WhichOneof("kind") == "list" else value.data.decode()


class Client(threading.Thread):
    """Asks one member at a time, another one after a failure. Every third client has a session and repeats a write of
    unknown outcome until it knows; the others ask once."""

    def __init__(self, number, endpoints, history, seed, rate):
        super().__init__(name=f"client {number}", daemon=True)
        self.number, self.history = number, history
        self.random = random.Random(f"{seed}/client/{number}")
        channels = [grpc.insecure_channel(endpoint, options=[*CHANNEL, ("grpc.use_local_subchannel_pool", 1)]) for endpoint in endpoints]
        self.kv = [kv_pb2_grpc.KVStub(channel) for channel in channels]
        self.cluster = [cluster_pb2_grpc.ClusterStub(channel) for channel in channels]
        self.at = number % len(endpoints)
        self.process = next(history.processes)
        self.pause = 1.0 / rate
        self.count = 0
        self.began = time.monotonic()
        self.stopping = threading.Event()
        self.has_session, self.session, self.sequence = number % 3 == 2, None, 0
        self.failure = None

    def run(self):
        try:
            while not self.stopping.is_set():
                before = time.monotonic()
                self.step()
                self.stopping.wait(max(0.0, before + self.pause - time.monotonic()))
        except Exception as error:  # noqa: BLE001: a client that dies of a defect here must not go unnoticed
            self.failure = error
            raise

    # One call

    def attempt(self, call):
        """One call to the member that this client is with: (outcome, answer)."""
        try:
            return OK, call(self.at)
        except grpc.RpcError as error:
            self.at = self.random.randrange(len(self.kv))
            trailers = dict(error.trailing_metadata() or ())
            if trailers.get("swiftwater-not-applied") == "1":
                return NO, error
            # gRPC's own word for a call that never left: there was no connection to send it on.
            if error.code() == grpc.StatusCode.UNAVAILABLE and "failed to connect to all addresses" in (error.details() or ""):
                return NO, error
            return UNKNOWN, error

    def write(self, method, request):
        if not self.has_session:
            return self.attempt(lambda at: getattr(self.kv[at], method)(request, timeout=2))
        if self.session is None and not self.open_session():
            return NO, None
        self.sequence += 1
        request.request_id.session_id, request.request_id.sequence = self.session, self.sequence
        until, worst, tries = time.monotonic() + 12, NO, 0
        while True:
            outcome, answer = self.attempt(lambda at: getattr(self.kv[at], method)(request, timeout=2))
            tries += 1
            if outcome == OK:
                self.history.retried += tries > 1
                return OK, answer
            # What one attempt says of itself says nothing of those before it.
            worst = UNKNOWN if UNKNOWN in (worst, outcome) else NO
            if answer.code() == grpc.StatusCode.FAILED_PRECONDITION:
                self.session = None
                return worst, answer
            if time.monotonic() > until or self.stopping.is_set():
                return worst, answer
            time.sleep(0.05)

    def open_session(self):
        outcome, answer = self.attempt(lambda at: self.cluster[at].OpenSession(cluster_pb2.OpenSessionRequest(), timeout=2))
        if outcome == OK:
            self.session, self.sequence = answer.session_id, 0
        return outcome == OK

    def do(self, op, key, arg, call, out, is_write, is_recorded=True):
        """Runs a call, counts it, and writes it down."""
        member, start = self.at + 1, time.monotonic_ns()
        outcome, answer = call()
        end = time.monotonic_ns()
        if not is_write and outcome == UNKNOWN:
            outcome = NO  # a read leaves no trace
        self.history.count(op, outcome, end, is_write)
        if is_recorded:
            more = {"rev": answer.revision} if is_write and outcome == OK and answer.revision and op != "del" else {}
            self.history.record(self.process, op, key, arg, out(answer) if outcome == OK else None, start, end, outcome, member, **more)
        if outcome == UNKNOWN:
            self.process = next(self.history.processes)
        return outcome

    # What it asks for

    def step(self):
        self.count += 1
        epoch = int((time.monotonic() - self.began) / EPOCH)
        key, dice = f"h{epoch}-{self.random.randrange(KEYS)}", self.random.random()
        tag = f"{self.number}.{self.count};"
        if dice < 0.30:
            self.get(key)
        elif dice < 0.45:
            self.set(key, tag)
        elif dice < 0.58:
            self.append(key, tag)
        elif dice < 0.63:
            self.delete(key)
        elif dice < 0.68:
            self.strlen(key)
        elif dice < 0.71:
            self.transact(epoch, tag)
        elif dice < 0.83:
            self.append_item(f"l{self.number}-{epoch // 4}", tag)
        elif dice < 0.97:
            self.set_once(f"s{self.number}-{self.count}", tag)
        else:
            self.set_big(f"b{self.number}-{self.random.randrange(10)}", tag)

    def get(self, key):
        request = kv_pb2.GetRequest(key=key.encode())
        self.do("get", key, None, lambda: self.attempt(lambda at: self.kv[at].Get(request, timeout=2)),
                lambda answer: text(answer.value) if answer.HasField("value") else None, False)

    def strlen(self, key):
        request = kv_pb2.StrlenRequest(key=key.encode())
        self.do("strln", key, None, lambda: self.attempt(lambda at: self.kv[at].Strlen(request, timeout=2)),
                lambda answer: answer.length, False)

    def set(self, key, tag):
        request = kv_pb2.SetRequest(key=key.encode(), value=kv_pb2.Value(data=tag.encode()))
        self.do("set", key, tag, lambda: self.write("Set", request), lambda _: None, True)

    def append(self, key, tag):
        request = kv_pb2.AppendRequest(key=key.encode(), suffix=tag.encode())
        self.do("append", key, tag, lambda: self.write("Append", request), lambda answer: answer.length, True)

    def delete(self, key):
        request = kv_pb2.DeleteRequest(key=key.encode())
        self.do("del", key, None, lambda: self.write("Delete", request),
                lambda answer: text(answer.previous) if answer.HasField("previous") else None, True)

    def transact(self, epoch, tag):
        """Writes one key of a pair and reads the other: as one, or not at all."""
        pair = self.random.randrange(KEYS // 2) * 2
        written, read = [f"h{epoch}-{pair + side}" for side in self.random.sample([0, 1], 2)]
        request = kv_pb2.TransactRequest(operations=[
            kv_pb2.Operation(append=kv_pb2.AppendRequest(key=written.encode(), suffix=tag.encode())),
            kv_pb2.Operation(get=kv_pb2.GetRequest(key=read.encode()))])
        arg = [{"op": "append", "key": written, "arg": tag}, {"op": "get", "key": read, "arg": None}]

        def out(answer):
            found = answer.results[1].get
            return [answer.results[0].append.length, text(found.value) if found.HasField("value") else None]
        self.do("transaction", None, arg, lambda: self.write("Transact", request), out, True)

    def append_item(self, key, tag):
        request = kv_pb2.AppendRequest(key=key.encode(), item=tag)
        outcome = self.do("append-item", key, tag, lambda: self.write("Append", request), lambda answer: answer.length, True)
        self.history.items.setdefault(key, []).append((tag, outcome))

    def set_once(self, key, tag):
        request = kv_pb2.SetRequest(key=key.encode(), value=kv_pb2.Value(data=tag.encode()))
        outcome = self.do("set", key, tag, lambda: self.write("Set", request), None, True, is_recorded=False)
        if outcome != NO:
            (self.history.once if outcome == OK else self.history.once_unknown)[key] = tag

    def set_big(self, key, tag):
        """Bulk, for the log and for snapshots. Too long for a history: what may be there at the end is remembered."""
        request = kv_pb2.SetRequest(key=key.encode(), value=kv_pb2.Value(data=tag.encode().ljust(BIG, b".")))
        outcome = self.do("set", key, tag, lambda: self.write("Set", request), None, True, is_recorded=False)
        last = self.history.big.setdefault(key, [None, []])
        if outcome == OK:
            last[0] = tag
        elif outcome == UNKNOWN:
            last[1].append(tag)
