#!/usr/bin/env python3
"""The README keeps its word: its session at the prompt is typed in a terminal and must read as printed, and its
Python client is run as it stands.

    readme.py .build/release
"""

import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cluster as clusters  # noqa: E402
from runner import Runner  # noqa: E402

README = (clusters.ROOT / "README.md").read_text()
# The address that the README's reader has; the tests' members listen elsewhere.
ADDRESS = "127.0.0.1:7401"


def session():
    """The README's prompt session: [(command, what it prints)]."""
    block = next(block for block in re.findall(r"^```\n(.*?)^```", README, re.M | re.S) if block.startswith("$ .build/release/swiftwater\n"))
    prompt = re.search(r"^(\S+> )", block, re.M)[1]
    steps = block.split(prompt)[1:]
    return prompt, [(step.split("\n", 1)[0], step.split("\n", 1)[1].rstrip("\n")) for step in steps]


class Terminal:
    """A program in a pseudo terminal, and what it shows."""

    def __init__(self, arguments):
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="dumb", COLUMNS="120", LINES="40", HOME=tempfile.gettempdir())
            os.execv(arguments[0], arguments)
        self.seen = ""

    def read_until(self, ending, seconds=10):
        until = time.monotonic() + seconds
        while True:
            # What a terminal would not show: escape sequences and carriage returns.
            text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r|\x07", "", self.seen)
            if text.endswith(ending):
                self.seen = ""
                return text
            if time.monotonic() > until:
                raise AssertionError(f"waiting for {ending!r}, the terminal shows {text!r}")
            if select.select([self.descriptor], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.descriptor, 65536).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"the program ended after {text!r}") from None

    def type(self, text):
        os.write(self.descriptor, text.encode())

    def close(self):
        os.close(self.descriptor)
        os.waitpid(self.pid, 0)


def check_session(own):
    prompt, steps = session()
    prompt = prompt.replace(ADDRESS, own.endpoints[0])
    terminal = Terminal([str(own.binaries / "swiftwater"), "--endpoints", own.endpoints[0]])
    try:
        terminal.read_until(prompt)
        for command, wanted in steps:
            terminal.type(command + "\n")
            shown = terminal.read_until(prompt).removesuffix(prompt)
            # What is typed before the prompt reads keys one by one is echoed by the terminal too: once more, or not.
            lines = shown.rstrip("\n").split("\n")
            echoes = [number for number, line in enumerate(lines) if line.endswith(command)]
            answer = "\n".join(lines[max(echoes, default=0) + 1:])
            if answer != wanted.replace(ADDRESS, own.endpoints[0]):
                raise AssertionError(f"after {command!r} the README has\n{wanted}\nand the terminal\n{answer}")
    finally:
        terminal.close()
    if len(steps) < 5:
        raise AssertionError("the README's session has shrunk to nothing")


def check_python_client(own):
    program = re.search(r"^```python\n(.*?)^```", README, re.M | re.S)[1]
    if '"127.0.0.1:7402"' not in program:
        raise AssertionError("the README's client connects elsewhere")
    with tempfile.TemporaryDirectory() as directory:
        command = re.search(r"^python -m grpc_tools.protoc (.*)$", README, re.M)[1].replace("-Iproto", f"-I{clusters.ROOT / 'proto'}")
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *command.split()], cwd=directory, check=True)
        path = pathlib.Path(directory) / "client.py"
        path.write_text(program.replace("127.0.0.1:7402", own.endpoints[1]))
        done = subprocess.run([sys.executable, path], cwd=directory, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0 or not done.stdout.startswith("b'green'\n") or "b'pets'" not in done.stdout:
        raise AssertionError(f"exit code {done.returncode}: {done.stdout}{done.stderr}")


def wait_until_ready(own, seconds=30):
    until = time.monotonic() + seconds
    while subprocess.run([str(own.binaries / "swiftwater"), "--endpoints", own.endpoints[0], "set", "ready", "yes"], capture_output=True, check=False).returncode:
        if time.monotonic() > until:
            sys.exit(f"no write within {seconds} s\n{own.logs()}")
    subprocess.run([str(own.binaries / "swiftwater"), "--endpoints", own.endpoints[0], "del", "ready"], capture_output=True, check=True)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with clusters.Cluster(sys.argv[1]) as own:
        wait_until_ready(own)
        runner = Runner()
        runner.check("the session at the prompt reads as printed", check_session, own)
        runner.check("the Python client runs as it stands", check_python_client, own)
        return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
