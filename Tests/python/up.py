"""A cluster that `swiftwater up` runs, and the command line beside it."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from cluster import free_ports
from expect import eventually


class UpCluster:
    """`swiftwater up` in a directory of its own; a context manager that leaves nothing behind."""

    def __init__(self, binaries, nodes=3, faults=True):
        self.program = str(pathlib.Path(binaries).resolve() / "swiftwater")
        self.parent = pathlib.Path(tempfile.mkdtemp(prefix="swiftwater-up-"))
        self.directory = self.parent / "cluster"
        self.names = [f"n{i + 1}" for i in range(nodes)]
        port = self.free_range(2 * nodes)
        self.endpoints = [f"127.0.0.1:{port + i}" for i in range(nodes)]
        self.http = [f"127.0.0.1:{port + nodes + i}" for i in range(nodes)]
        self.output = self.parent / "up.out"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [self.program, "up", "--nodes", str(nodes), "--data-dir", str(self.directory), "--base-port", str(port),
                 "--http-base-port", str(port + nodes), *(["--enable-faults"] if faults else [])],
                stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=self.parent)

    @staticmethod
    def free_range(count):
        """The first of so many free ports in a row."""
        ports = free_ports(4 * count)
        for place, port in enumerate(ports):
            if ports[place:place + count] == list(range(port, port + count)):
                return port
        raise AssertionError("no free ports in a row")

    def wait_for_leader(self):
        eventually(lambda: "leads, in term" in self.output.read_text() or self.process.poll() is not None, "up has a leader", 40)
        if self.process.poll() is not None:
            raise AssertionError(self.output.read_text())

    def run(self, *words, seconds=40):
        """The command line, in the directory where `up` was started; (exit code, stdout, stderr)."""
        done = subprocess.run([self.program, *words], capture_output=True, text=True, cwd=self.parent, timeout=seconds,
                              env={**os.environ, "SWIFTWATER_ENDPOINTS": ",".join(self.endpoints)})
        return done.returncode, done.stdout, done.stderr

    def json(self, *words):
        """What a command says as JSON; it must end well."""
        code, out, errors = self.run("--output", "json", *words)
        if code != 0:
            raise AssertionError(f"{' '.join(words)} ended with {code}: {errors}{out}")
        return json.loads(out)

    def lab(self, *words):
        return self.json("lab", *words)

    def of_process(self, *words):
        """An order that needs to know where `up` runs."""
        return self.lab(*words, "--data-dir", str(self.directory))

    def status(self):
        """By name, what each member says of itself."""
        return {member["name"]: member for member in self.json("status")["members"]}

    def leader(self, seconds=20):
        """Who leads in the newest term, once somebody does and all that answer know it."""
        found = []

        def look():
            answers = [member for member in self.status().values() if member["reachable"]]
            newest = max(member["term"] for member in answers)
            found[:] = [member["name"] for member in answers if member["role"] == "leader" and member["term"] == newest]
            return len(found) == 1
        eventually(look, "somebody leads", seconds)
        return found[0]

    def process_ids(self):
        return {path.stem: int(path.read_text()) for path in self.directory.glob("*.pid")}

    def stop(self):
        """Ctrl-C; gives back how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)

    def __enter__(self):
        self.wait_for_leader()
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            for number in self.process_ids().values():
                os.kill(number, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.parent, ignore_errors=True)


def is_running(number):
    """Whether there is such a process, and not only what is left of one."""
    try:
        return pathlib.Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(numbers, seconds=10):
    eventually(lambda: not any(is_running(number) for number in numbers), "all processes are gone", seconds)
