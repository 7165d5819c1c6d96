"""A cluster of three real members for tests, and the stubs that any gRPC toolchain makes from proto/."""

import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def generate_stubs():
    """Compiles proto/ into a directory that lasts as long as the returned object, and puts it on the path."""
    from grpc_tools import protoc
    directory = tempfile.TemporaryDirectory(prefix="swiftwater-stubs-")
    files = sorted(str(path) for path in (ROOT / "proto/swiftwater").rglob("*.proto"))
    status = protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={directory.name}",
                          f"--grpc_python_out={directory.name}", *files])
    if status != 0:
        sys.exit("proto/ does not compile")
    sys.path.insert(0, directory.name)
    return directory


def free_ports(count, skip=0):
    """Ports below the ephemeral range, so that no outgoing connection takes one between our look and the bind. The first
    `skip` are left to others."""
    low = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = []
    if count == 0:
        return ports
    for port in range(max(10000, low - 4000) + skip, low):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    sys.exit("no free ports")


class Cluster:
    """Three members started from the programs in `binaries`; a context manager that leaves nothing behind."""

    def __init__(self, binaries, members=3, endpoints=None):
        self.binaries = pathlib.Path(binaries).resolve()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="swiftwater-python-"))
        self.endpoints = endpoints or [f"127.0.0.1:{port}" for port in free_ports(members)]
        self.processes = []
        for i in range(members):
            self.start(i)

    def arguments(self, i):
        """What the i-th member is started with."""
        names = ",".join(f"n{i + 1}={endpoint}" for i, endpoint in enumerate(self.endpoints))
        return [str(self.binaries / "swiftwaterd"), "--name", f"n{i + 1}", "--data-dir", str(self.directory / f"n{i + 1}"),
                "--listen", self.endpoints[i], "--initial-cluster", names]

    def start(self, i):
        self.processes.append(self.spawn(i))

    def restart(self, i):
        """The i-th member again, which has ended."""
        self.processes[i] = self.spawn(i)

    def spawn(self, i):
        with open(self.directory / f"n{i + 1}.log", "ab") as log:
            return subprocess.Popen(self.arguments(i), stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def stop(self):
        """SIGTERM to all; gives back how each ended, None for one that had to be killed."""
        for process in self.processes:
            process.terminate()
        statuses = []
        for process in self.processes:
            try:
                statuses.append(process.wait(5))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                statuses.append(None)
        self.processes = []
        return statuses

    def logs(self):
        return "".join(f"--- {path.name}\n{path.read_text(errors='replace')[-4000:]}" for path in sorted(self.directory.glob("*.log")))

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
