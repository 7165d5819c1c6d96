#!/usr/bin/env python3
"""Starts swiftwaterd in every wrong way: the exit code that the contract names, and words that say what is wrong.

    bad_starts.py .build/release
"""

import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from cluster import Cluster, free_ports  # noqa: E402
from runner import Runner, checks_of  # noqa: E402

USAGE, DATA, BIND = 64, 65, 69


def attempt(world, *arguments, seconds=10):
    """Runs swiftwaterd until it ends by itself; its exit code and what it said."""
    process = subprocess.Popen([str(world.binaries / "swiftwaterd"), *map(str, arguments)], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, cwd=world.directory)
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        raise AssertionError(f"runs on, and says: {said[-500:]}") from None
    return process.returncode, said


def refused(world, code, words, *arguments):
    status, said = attempt(world, *arguments)
    if status != code:
        raise AssertionError(f"exit code {status}, expected {code}: {said[-500:]}")
    missing = [word for word in words if word.lower() not in said.lower()]
    if missing:
        raise AssertionError(f"does not mention {missing}: {said[-800:]}")


def fresh(world):
    """A member of its own that nothing else knows, as arguments."""
    world.count = getattr(world, "count", 0) + 1
    (port,) = free_ports(1)
    return ["--name", f"x{world.count}", "--data-dir", world.directory / f"x{world.count}", "--listen", f"127.0.0.1:{port}"]


def with_data(world):
    """A data directory in which a member has lived and written; its start's arguments."""
    arguments = fresh(world)
    process = subprocess.Popen([str(world.binaries / "swiftwaterd"), *map(str, arguments)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    endpoint = arguments[5]
    try:
        for number in range(30):
            wait_for_set(world, endpoint, f"key{number}", "v" * 300)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return arguments


def wait_for_set(world, endpoint, key, value):
    until = time.monotonic() + 15
    while True:
        done = subprocess.run([str(world.binaries / "swiftwater"), "--endpoints", endpoint, "--timeout", "2s", "set", key, value],
                              capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        if time.monotonic() > until:
            raise AssertionError(f"no write at {endpoint}: {done.stderr}")


def check_unknown_flag(world):
    refused(world, USAGE, ["--colour"], *fresh(world), "--colour", "green")


def check_bad_listen_address(world):
    for address in ("nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:-1", ":::1"):
        refused(world, USAGE, [address], "--name", "y", "--data-dir", world.directory / "y", "--listen", address)


def check_bad_initial_cluster(world):
    for cluster in ("x", "x=", "=127.0.0.1:7401", "x=127.0.0.1", "x=127.0.0.1:7401,x=127.0.0.1:7402", "a=127.0.0.1:7401,b=127.0.0.1:7401"):
        refused(world, USAGE, [], *fresh(world), "--initial-cluster", cluster)


def check_not_named_in_its_own_cluster(world):
    refused(world, USAGE, ["x"], *fresh(world), "--initial-cluster", "a=127.0.0.1:7401,b=127.0.0.1:7402")


def check_port_in_use(world):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(world, BIND, [str(port)], "--name", "y", "--data-dir", world.directory / "busy", "--listen", f"127.0.0.1:{port}")


def check_address_of_another_machine(world):
    refused(world, BIND, ["192.0.2.1"], "--name", "y", "--data-dir", world.directory / "far", "--listen", "192.0.2.1:7401")


def check_another_members_directory(world):
    arguments = with_data(world)
    arguments[1] = "somebody"
    refused(world, USAGE, ["somebody", "x"], *arguments)


def check_directory_in_use(world):
    arguments = fresh(world)
    process = subprocess.Popen([str(world.binaries / "swiftwaterd"), *map(str, arguments)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        wait_for_set(world, arguments[5], "key", "v")
        second = list(arguments)
        second[5] = f"127.0.0.1:{free_ports(1)[0]}"
        status, said = attempt(world, *second)
        if status == 0 or str(arguments[3].name) not in said:
            raise AssertionError(f"exit code {status}: {said[-500:]}")
        wait_for_set(world, arguments[5], "key", "still here")
    finally:
        process.kill()
        process.wait()


def check_directory_that_cannot_be_made(world):
    blocked = world.directory / "file"
    blocked.write_text("not a directory")
    status, said = attempt(world, "--name", "y", "--data-dir", blocked / "below", "--listen", f"127.0.0.1:{free_ports(1)[0]}")
    if status in (0, None) or status < 0 or "file" not in said:
        raise AssertionError(f"exit code {status}: {said[-500:]}")


def damaged(world, where):
    """Flips one byte in the middle of what was written; `where` chooses the file."""
    arguments = with_data(world)
    files = [path for path in sorted(arguments[3].rglob("*")) if path.is_file() and where in str(path.relative_to(arguments[3]))]
    sizes = {path: len(path.read_bytes().rstrip(b"\0")) for path in files}
    file = max(sizes, key=sizes.get)
    content = bytearray(file.read_bytes())
    content[sizes[file] // 2] ^= 0x40
    file.write_bytes(content)
    return arguments, file


def check_damaged_record_in_the_middle_of_the_log(world):
    arguments, file = damaged(world, "")
    refused(world, DATA, [file.name], *arguments)
    # It says the same the next time: nothing was cut.
    refused(world, DATA, [file.name], *arguments)


def check_damaged_end_of_the_log(world):
    """The last frame was whole once and acknowledged: to cut it would be to forget."""
    arguments, file = damaged_end(world, keep=-60, garbage=bytes(60))
    refused(world, DATA, [file.name], *arguments)


def damaged_end(world, keep, garbage):
    """Writes `garbage` at `keep` bytes from the end of what was logged."""
    arguments = with_data(world)
    files = [path for path in sorted(arguments[3].rglob("*")) if path.is_file()]
    file = max(files, key=lambda path: len(path.read_bytes().rstrip(b"\0")))
    content = bytearray(file.read_bytes())
    at = len(content.rstrip(b"\0")) + keep
    content[at:at + len(garbage)] = garbage
    file.write_bytes(content)
    return arguments, file


def check_foreign_bytes_behind_the_log(world):
    """Nothing of ours writes there: in doubt, refuse."""
    arguments, file = damaged_end(world, keep=200, garbage=bytes(range(1, 101)))
    refused(world, DATA, [file.name], *arguments)


def check_help_and_version(world):
    for flag in ("--help", "--version"):
        status, said = attempt(world, flag)
        if status != 0 or not said.strip():
            raise AssertionError(f"{flag}: exit code {status}: {said}")


def check_sigterm_ends_it_with_0(world):
    for number in (signal.SIGTERM, signal.SIGINT):
        arguments = fresh(world)
        process = subprocess.Popen([str(world.binaries / "swiftwaterd"), *map(str, arguments)], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            wait_for_set(world, arguments[5], "key", "v")
            process.send_signal(number)
            if process.wait(5) != 0:
                raise AssertionError(f"{number.name} ended it with {process.returncode}")
        finally:
            process.kill()
            process.wait()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with Cluster(sys.argv[1], members=0) as world:
        runner = Runner()
        for title, check in checks_of(sys.modules[__name__]):
            runner.check(title, check, world)
        return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
