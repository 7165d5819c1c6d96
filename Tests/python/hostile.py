#!/usr/bin/env python3
"""Clients that behave badly. After each, and during each, an honest client is served, no member has died, and
memory is bounded.

    hostile.py .build/release
"""

import os
import pathlib
import resource
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cluster as clusters  # noqa: E402
from runner import Runner, checks_of  # noqa: E402

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MEMORY_LIMIT = 600 << 20


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


SETTINGS, PING, HEADERS, DATA, RST, WINDOW, CONTINUATION = 4, 6, 1, 0, 3, 8, 9


def literal(name, value):
    """A header field without indexing (RFC 7541, 6.2.2), lengths below 127 or in one extra run."""
    def text(content):
        if len(content) < 127:
            return bytes([len(content)]) + content
        rest, out = len(content) - 127, bytearray([127])
        while rest >= 128:
            out.append(rest & 127 | 128)
            rest >>= 7
        return bytes(out) + bytes([rest]) + content
    return b"\0" + text(name) + text(value)


def request_headers(path=b"/swiftwater.v1.KV/Get", *more):
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x"),
              (b"content-type", b"application/grpc"), (b"te", b"trailers"), *more]
    return b"".join(literal(name, value) for name, value in fields)


class World:
    def __init__(self, cluster, members):
        self.cluster, self.members = cluster, members

    def connect(self, index=0):
        host, port = self.cluster.endpoints[index].split(":")
        return socket.create_connection((host, int(port)), timeout=10)

    def http2(self, index=0):
        connection = self.connect(index)
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
        return connection

    def memory(self):
        """The largest resident size among the members, in bytes."""
        return max(int(line.split()[1]) * 1024 for process in self.cluster.processes
                   for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))

    def honest(self):
        """An honest client at every member, on connections that it had before and on new ones."""
        for process in self.cluster.processes:
            if process.poll() is not None:
                raise AssertionError(f"a member ended with {process.returncode}:\n{self.cluster.logs()}")
        from member import Member, equal
        for member in self.members:
            key = member.key()
            member.set(key, b"honest")
            fresh = Member(member.endpoint)
            equal(fresh.get(key).value.data, b"honest")
            fresh.channel.close()
        if self.memory() > MEMORY_LIMIT:
            raise AssertionError(f"{self.memory() >> 20} MiB in one member")


def until_closed(connection, seconds=20):
    """Reads until the other side ends it; how many bytes came."""
    count, until = 0, time.monotonic() + seconds
    connection.settimeout(1)
    while time.monotonic() < until:
        try:
            got = connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return count
        if not got:
            return count
        count += len(got)
    raise AssertionError(f"still open after {seconds} s")


def send_all(connection, data):
    """Sends as much as the other side takes before it hangs up."""
    try:
        connection.sendall(data)
    except (ConnectionError, TimeoutError):
        pass


def check_garbage_instead_of_http2(world):
    for garbage in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(4096), b"\0" * 100_000, b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500)):
        with world.connect() as connection:
            send_all(connection, garbage)
            until_closed(connection)
    world.honest()


def check_frames_that_break_the_rules(world):
    for bad in (frame(DATA, 0, 0, b"x"), frame(HEADERS, 4, 0, b""), frame(HEADERS, 4, 2, request_headers()), frame(PING, 0, 0, b"short"),
                frame(WINDOW, 0, 0, b"\0\0\0\0"), frame(CONTINUATION, 4, 1, b""), frame(SETTINGS, 0, 0, b"\0\5\0\0\0\0"),
                frame(HEADERS, 4, 1, b"\xff\xff\xff\xff\xff\xff"), struct.pack(">I", 1 << 23)[1:] + b"\0\0\0\0\0\1"):
        with world.http2() as connection:
            send_all(connection, bad)
            until_closed(connection)
    world.honest()


def check_header_bomb(world):
    """Headers without end, and headers that grow when unpacked: 16 KiB is what a list may have."""
    with world.http2() as connection:
        send_all(connection, frame(HEADERS, 0, 1, request_headers()))
        for _ in range(2000):
            try:
                connection.sendall(frame(CONTINUATION, 0, 1, literal(b"x-bomb", b"y" * 8000)))
            except OSError:
                break
        else:
            raise AssertionError("16 MB of headers were taken")
    indexed = b"\x40" + bytes([6]) + b"x-bomb" + b"\x7f" + bytes([3000 - 127 & 127 | 128, 3000 - 127 >> 7]) + b"y" * 3000
    with world.http2() as connection:
        for stream in range(1, 400, 2):
            block = (request_headers() + indexed if stream == 1 else request_headers()) + b"\xbe" * 4000
            try:
                connection.sendall(frame(HEADERS, 5, stream, block))
            except OSError:
                break
    world.honest()


def check_message_longer_than_announced_limit(world):
    """A gRPC prefix that announces 4 GiB: refused, not allocated."""
    before = world.memory()
    with world.http2() as connection:
        send_all(connection, frame(HEADERS, 4, 1, request_headers()) + frame(DATA, 0, 1, b"\0\xff\xff\xff\xff" + b"x" * 1000))
        time.sleep(0.2)
        if world.memory() - before > 64 << 20:
            raise AssertionError("memory was set aside for an announced length")
        world.honest()


def check_floods_of_control_frames(world):
    ping, settings = frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0)
    open_and_reset = b"".join(frame(HEADERS, 4, stream, request_headers()) + frame(RST, 0, stream, b"\0\0\0\x08")
                              for stream in range(1, 40_001, 2))
    for flood in (ping * 200_000, settings * 200_000, open_and_reset, frame(DATA, 0, 1, b"") * 200_000):
        with world.http2() as connection:
            connection.settimeout(5)
            send_all(connection, flood)
            world.honest()


def check_a_client_that_never_reads(world):
    """It asks for a hundred times a megabyte and takes nothing."""
    member = world.members[0]
    key = member.key()
    member.set(key, b"x" * (1 << 20))
    body = b"\x0a" + bytes([len(key)]) + key
    message = b"\0" + struct.pack(">I", len(body)) + body
    connections = []
    try:
        for _ in range(4):
            connection = world.http2()
            connections.append(connection)
            connection.settimeout(2)
            # The largest windows there are, so that only the member's own bound can hold it back.
            send_all(connection, frame(SETTINGS, 0, 0, struct.pack(">HI", 4, (1 << 31) - 1)) + frame(WINDOW, 0, 0, struct.pack(">I", (1 << 31) - 65536)))
            for stream in range(1, 401, 2):
                send_all(connection, frame(HEADERS, 4, stream, request_headers()) + frame(DATA, 1, stream, message))
        for _ in range(10):
            world.honest()
            time.sleep(0.1)
    finally:
        for connection in connections:
            connection.close()
    world.honest()


def check_half_open_and_abandoned_connections(world):
    silent = [world.connect() for _ in range(50)]
    half = []
    for _ in range(50):
        connection = world.http2()
        connection.sendall(frame(HEADERS, 4, 1, request_headers()) + frame(DATA, 0, 1, b"\0\0\0"))
        half.append(connection)
    world.honest()
    # Those that never said a word are let go by themselves.
    for connection in silent:
        until_closed(connection, 30)
    for connection in half:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    world.honest()


def check_ten_thousand_idle_connections(world):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(10_000, hard - 1_000)
    connections = []
    try:
        for number in range(count):
            connection = world.http2(number % 3)
            connection.sendall(frame(SETTINGS, 1, 0))
            connections.append(connection)
            if number % 2500 == 0:
                world.honest()
        world.honest()
        print(f"      {count} connections, {world.memory() >> 20} MiB in the largest member")
    finally:
        for connection in connections:
            connection.close()
    world.honest()


def check_calls_on_a_thousand_streams_at_once(world):
    """One connection, a thousand calls that stay open because their message never ends."""
    with world.http2() as connection:
        for stream in range(1, 2001, 2):
            connection.sendall(frame(HEADERS, 4, stream, request_headers()) + frame(DATA, 0, stream, b"\0\0\0\0\x10"))
        world.honest()
    world.honest()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with clusters.generate_stubs(), clusters.Cluster(sys.argv[1]) as own:
        from every_command import wait_until_ready
        from member import Member
        world = World(own, [Member(endpoint) for endpoint in own.endpoints])
        wait_until_ready(world.members, 30)
        runner = Runner()
        terms = max(member.status().term for member in world.members)
        for title, check in checks_of(sys.modules[__name__]):
            if not runner.check(title, check, world):
                print(own.logs())
        print(f"      terms: {terms} before, {max(member.status().term for member in world.members)} after")
        return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
