#!/usr/bin/env python3
"""Swiftwater and etcd under the same load, in turn, on this machine.

Both run three members on loopback, on the same disk, with fsync on, as they come: no tuning flags. h2load
(nghttp2) sends one gRPC request again and again, to the leader: Set or Put of one key, or a linearizable
Get or Range of it. Runs alternate between the two stores; the table gives medians.

h2load reads HTTP statuses and knows nothing of gRPC, where an error travels as 200 with a trailer. So a
run counts only when it has proved its effect:

  - every request succeeded with 200, and none errored or timed out (h2load's own counts);
  - the bytes of the answers are, to the byte, those that right answers have: an error in a trailer
    carries no message and would be missing from them. A read's answer holds the value;
  - the key's revision advanced by exactly the number of writes (reads: not at all);
  - the value read afterwards is the one that was written;
  - the leader is still the one that was loaded. Otherwise the run is repeated, and told.

A run whose proof fails ends the program with status 1.
"""

import argparse
import atexit
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import grpc

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEY = b"bench"

# What the project asks of itself (ours / etcd), and what a reader of the table wants to see beside it.
TARGETS = {("writes", "100x10"): 4.0, ("writes", "100x1"): 3.0, ("writes", "1x1"): 1.5,
           ("reads", "100x10"): 8.0, ("reads", "100x1"): 4.0}


class Broken(Exception):
    """A run that did not prove its effect, or a cluster that did not come up."""


# --- protobuf by hand: the few fields of etcd's messages that are needed here --------------------------


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def parse(message):
    """{field number: last value}; numbers for varints and fixed64, bytes for everything with a length."""
    fields, at = {}, 0

    def take():
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(message):
        tag = take()
        if tag & 7 == 0:
            fields[tag >> 3] = take()
        elif tag & 7 == 1:
            fields[tag >> 3] = int.from_bytes(message[at:at + 8], "little")
            at += 8
        elif tag & 7 == 2:
            length = take()
            fields[tag >> 3] = message[at:at + length]
            at += length
        else:
            raise Broken(f"an answer with a field of wire type {tag & 7}")
    return fields


# --- processes -------------------------------------------------------------------------------------------


def free_ports(count):
    """Ports below the ephemeral range, so that no outgoing connection takes them."""
    low = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found = []
    for port in range(max(low - 8000, 10000), low):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise Broken("no free ports")


class Store:
    """Three members of one kind, and how to talk to them."""

    name = write_path = read_path = None

    def __init__(self, directory, ports, value):
        self.directory, self.value = directory / self.name, value
        self.processes, self.channels = [], {}
        self.directory.mkdir(parents=True)
        self.ports = ports

    def spawn(self, name, arguments):
        log = open(self.directory / f"{name}.log", "wb")
        process = subprocess.Popen(arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.processes.append(process)

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def call(self, port, path, body, timeout=5):
        channel = self.channels.setdefault(port, grpc.insecure_channel(f"127.0.0.1:{port}"))
        return channel.unary_unary(path)(body, timeout=timeout)

    def wait_for_leader(self, seconds=30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for process in self.processes:
                if process.poll() is not None:
                    raise Broken(f"a member of {self.name} ended with status {process.returncode}: see {self.directory}")
            try:
                leader = self.leader()
                if leader is not None:
                    self.call(leader, self.write_path, self.write_body)
                    return leader
            except grpc.RpcError:
                pass
            time.sleep(0.2)
        raise Broken(f"{self.name} has no leader after {seconds} s: see {self.directory}")

    def cpu_seconds(self):
        total = 0
        for process in self.processes:
            fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")


class Etcd(Store):
    name, write_path, read_path = "etcd", "/etcdserverpb.KV/Put", "/etcdserverpb.KV/Range"

    def __init__(self, directory, ports, value):
        super().__init__(directory, ports[:3], value)
        self.write_body = field(1, KEY) + field(2, value)
        self.read_body = field(1, KEY)
        peers = ports[3:6]
        cluster = ",".join(f"e{i}=http://127.0.0.1:{peer}" for i, peer in enumerate(peers))
        for i in range(3):
            client, peer = f"http://127.0.0.1:{ports[i]}", f"http://127.0.0.1:{peers[i]}"
            self.spawn(f"e{i}", [
                "etcd", "--name", f"e{i}", "--data-dir", str(self.directory / f"e{i}"),
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", cluster, "--initial-cluster-state", "new", "--logger", "zap", "--log-level", "warn"])

    def leader(self):
        for port in self.ports:
            try:
                status = parse(self.call(port, "/etcdserverpb.Maintenance/Status", b"", 1))
            except grpc.RpcError:
                continue
            if status.get(4) and status[4] == parse(status[1]).get(2):
                return port
        return None

    def state(self, port):
        pair = parse(parse(self.call(port, self.read_path, self.read_body)).get(2, b""))
        return pair.get(3, 0), pair.get(5)

    def write_answer_revision(self, answer):
        return parse(parse(answer)[1])[3]

    @staticmethod
    def version():
        said = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=False).stdout
        return said.split("\n")[0].removeprefix("etcd Version: ")


class Swiftwater(Store):
    name, write_path, read_path = "swiftwater", "/swiftwater.v1.KV/Set", "/swiftwater.v1.KV/Get"

    def __init__(self, directory, ports, value, binary, messages):
        super().__init__(directory, ports[:3], value)
        self.kv, self.cluster = messages
        self.write_body = self.kv.SetRequest(key=KEY, value=self.kv.Value(data=value)).SerializeToString()
        self.read_body = self.kv.GetRequest(key=KEY).SerializeToString()
        cluster = ",".join(f"n{i}=127.0.0.1:{port}" for i, port in enumerate(self.ports))
        for i, port in enumerate(self.ports):
            self.spawn(f"n{i}", [binary, "--name", f"n{i}", "--data-dir", str(self.directory / f"n{i}"),
                                 "--listen", f"127.0.0.1:{port}", "--initial-cluster", cluster])

    def leader(self):
        for port in self.ports:
            try:
                status = self.cluster.StatusResponse.FromString(self.call(port, "/swiftwater.v1.Cluster/Status", b"", 1))
            except grpc.RpcError:
                continue
            role = self.cluster.StatusResponse.DESCRIPTOR.fields_by_name["role"].enum_type.values_by_number[status.role].name
            if role.endswith("LEADER"):
                return port
        return None

    def state(self, port):
        answer = self.kv.GetResponse.FromString(self.call(port, self.read_path, self.read_body))
        return answer.revision, answer.value.data

    def write_answer_revision(self, answer):
        return self.kv.SetResponse.FromString(answer).revision

    @staticmethod
    def version():
        said = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False)
        return said.stdout.strip() or "?"


def compiled_messages(directory):
    """Our own messages, compiled from proto/ as any user would."""
    from grpc_tools import protoc
    out = directory / "generated"
    out.mkdir()
    files = [str(ROOT / "proto/swiftwater/v1" / name) for name in ("kv.proto", "cluster.proto")]
    if protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={out}", *files]) != 0:
        raise Broken("proto/ does not compile")
    sys.path.insert(0, str(out))
    from swiftwater.v1 import cluster_pb2, kv_pb2
    return kv_pb2, cluster_pb2


# --- a run -----------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Run:
    store: str
    kind: str
    load: str
    requests: int
    seconds: float
    rate: float
    data_bytes: int
    server_cpu_us: float  # the three members' processor time for one request


def h2load(port, path, body, clients, streams, requests):
    with tempfile.NamedTemporaryFile(suffix=".grpc") as file:
        file.write(b"\0" + len(body).to_bytes(4, "big") + body)
        file.flush()
        said = subprocess.run(
            ["h2load", "-n", str(requests), "-c", str(clients), "-m", str(streams), "-d", file.name,
             "-H", "content-type: application/grpc", "-H", "te: trailers", f"http://127.0.0.1:{port}{path}"],
            capture_output=True, text=True, check=False, timeout=600)
    out = said.stdout
    finished = re.search(r"^finished in ([\d.]+)(ms|s|us|m), ([\d.]+) req/s", out, re.M)
    counts = re.search(r"^requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out, re.M)
    codes = re.search(r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out, re.M)
    traffic = re.search(r"\((\d+)\) data$", out, re.M)
    if not (finished and counts and codes and traffic):
        raise Broken(f"h2load said something unexpected:\n{out}{said.stderr}")
    _, _, done, succeeded, failed, errored, timeout = map(int, counts.groups())
    if not (done == succeeded == requests == int(codes[1]) and failed == errored == timeout == 0):
        raise Broken(f"not every request succeeded: {counts[0]}; {codes[0]}")
    seconds = float(finished[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[finished[2]]
    # h2load prints few digits of long times: the count over the rate is finer.
    rate = float(finished[3])
    return (requests / rate if rate else seconds), rate, int(traffic[1])


def expected_bytes(store, kind, leader, first_revision, requests):
    """The bytes that right answers have, gRPC's five-byte prefix included, from one sample answer."""
    if kind == "reads":
        return requests * (5 + len(store.call(leader, store.read_path, store.read_body)))
    # Only the revision differs from one answer to the next, by the length of its varint.
    sample = store.call(leader, store.write_path, store.write_body)
    fixed = 5 + len(sample) - len(varint(store.write_answer_revision(sample)))
    total, revision, last = fixed * requests, first_revision + 2, first_revision + 1 + requests
    while revision <= last:
        width = len(varint(revision))
        step = min(last, (1 << 7 * width) - 1) - revision + 1
        total += width * step
        revision += step
    return total


def prove(store, kind, leader, requests, clients, streams):
    """One run with its proofs; None when the leader changed under it."""
    path, body = (store.write_path, store.write_body) if kind == "writes" else (store.read_path, store.read_body)
    before, _ = store.state(leader)
    expected = expected_bytes(store, kind, leader, before, requests)
    cpu = store.cpu_seconds()
    seconds, rate, data_bytes = h2load(leader, path, body, clients, streams, requests)
    cpu = store.cpu_seconds() - cpu
    if store.leader() != leader:
        return None
    after, value = store.state(leader)
    # The sample answer of a write run was a write too.
    wanted = requests + 1 if kind == "writes" else 0
    if after - before != wanted:
        raise Broken(f"{store.name}: the revision advanced by {after - before}, not {wanted}")
    if value != store.value:
        raise Broken(f"{store.name}: the value read afterwards is not the one written")
    if data_bytes != expected:
        raise Broken(f"{store.name}: {data_bytes} bytes of answers, not {expected}: some answers were errors")
    return seconds, rate, data_bytes, cpu / requests * 1e6


def measure(store, kind, load, seconds, known):
    """A run of at least `seconds`; `known` keeps how many requests that takes."""
    clients, streams = map(int, load.split("x"))
    requests = known.get((store.name, kind, load), max(1000, 40 * clients * streams))
    for _ in range(6):
        leader = store.wait_for_leader()
        result = prove(store, kind, leader, requests, clients, streams)
        if result is None:
            print(f"  {store.name} changed its leader during a run; again", file=sys.stderr)
            continue
        took, rate, data_bytes, cpu = result
        known[store.name, kind, load] = requests if took >= seconds else max(int(rate * seconds * 1.15), requests + clients)
        if took >= seconds:
            return Run(store.name, kind, load, requests, round(took, 3), round(rate, 1), data_bytes, round(cpu, 2))
        requests = known[store.name, kind, load]
    raise Broken(f"{store.name}: no run of {seconds} s with one leader in six attempts")


# --- the whole ---------------------------------------------------------------------------------------------


def sync_microseconds(directory, count=200):
    """The median time of an fdatasync after 4 KiB here: most of a single client's write."""
    times, path = [], directory / "sync"
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, count * 4096)
        os.fsync(file.fileno())
        for i in range(count):
            os.pwrite(file.fileno(), bytes(4096), i * 4096)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    path.unlink()
    return round(statistics.median(times) * 1e6)


def table(runs, kinds, loads):
    def median(store, kind, load):
        rates = [run.rate for run in runs if (run.store, run.kind, run.load) == (store, kind, load)]
        return statistics.median(rates) if rates else None

    rows = []
    for kind in kinds:
        for load in loads:
            etcd, ours = median("etcd", kind, load), median("swiftwater", kind, load)
            ratio = ours / etcd if ours and etcd else None
            target = TARGETS.get((kind, load))
            rows.append({"kind": kind, "load": load, "etcd": etcd, "swiftwater": ours,
                         "ratio": round(ratio, 2) if ratio else None, "target": target,
                         "reached": ratio >= target if ratio and target else None})
    return rows


def show(rows):
    def number(value, form):
        return format(value, form) if value is not None else "-"

    print(f"\n{'':8} {'clients x streams':>18} {'etcd /s':>10} {'swiftwater /s':>14} {'ratio':>7} {'asked':>6}")
    for row in rows:
        verdict = {True: "", False: "  below", None: ""}[row["reached"]]
        print(f"{row['kind']:8} {row['load'].replace('x', ' x '):>18} {number(row['etcd'], ',.0f'):>10} "
              f"{number(row['swiftwater'], ',.0f'):>14} {number(row['ratio'], '.2f'):>7} {number(row['target'], '.1f'):>6}{verdict}")


def arguments():
    parser = argparse.ArgumentParser(description="Swiftwater beside etcd under the same load.")
    parser.add_argument("--swiftwaterd", default=str(ROOT / ".build/release/swiftwaterd"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="the least time of a run that counts")
    parser.add_argument("--loads", default="100x10,100x1,1x1", help="clients x streams, comma-separated")
    parser.add_argument("--kinds", default="writes,reads")
    parser.add_argument("--stores", default="etcd,swiftwater")
    parser.add_argument("--value-size", type=int, default=256, help="bytes")
    parser.add_argument("--data-dir", help="where both keep their data; a new directory under .build by default")
    parser.add_argument("--json", help="also write every run and the table to this file")
    return parser.parse_args()


def main():
    options = arguments()
    kinds, loads, wanted = options.kinds.split(","), options.loads.split(","), options.stores.split(",")
    base = pathlib.Path(options.data_dir) if options.data_dir else ROOT / ".build"
    base.mkdir(parents=True, exist_ok=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-vs-etcd-", dir=base))
    kind_of_disk = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=True).stdout.strip()
    if kind_of_disk in ("tmpfs", "ramfs"):
        raise Broken(f"{directory} lies in memory ({kind_of_disk}): an fsync costs nothing there; give --data-dir on a disk")

    stores = []

    def clean_up():
        for store in stores:
            store.stop()
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(clean_up)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    value = (b"swiftwater " * (options.value_size // 11 + 1))[:options.value_size]
    ports = free_ports(9)
    for name in wanted:
        if name == "etcd":
            stores.append(Etcd(directory, ports[:6], value))
        else:
            stores.append(Swiftwater(directory, ports[6:], value, options.swiftwaterd, compiled_messages(directory)))

    machine = {"processors": os.cpu_count(), "file_system": kind_of_disk, "fdatasync_us": sync_microseconds(directory),
               "value_bytes": options.value_size, "kernel": os.uname().release,
               "versions": {store.name: store.version() for store in stores}}
    print(json.dumps(machine))
    for store in stores:
        print(f"{store.name}: the leader listens on port {store.wait_for_leader()}")

    runs, known = [], {}
    for turn in range(options.rounds):
        for kind in kinds:
            for load in loads:
                # Who goes first changes from round to round.
                for store in stores if turn % 2 == 0 else reversed(stores):
                    run = measure(store, kind, load, options.seconds, known)
                    runs.append(run)
                    print(f"round {turn + 1}  {run.kind:7} {run.load:>7}  {run.store:10} {run.rate:>10,.0f} /s"
                          f"  {run.requests} in {run.seconds:.2f} s, {run.server_cpu_us:.1f} us of processor each", flush=True)
    rows = table(runs, kinds, loads)
    show(rows)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(
            {"machine": machine, "table": rows, "runs": [dataclasses.asdict(run) for run in runs]}, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except Broken as broken:
        print(f"bench-vs-etcd: {broken}", file=sys.stderr)
        sys.exit(1)
