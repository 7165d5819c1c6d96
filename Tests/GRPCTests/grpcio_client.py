"""Calls a server with grpcio, Google's own gRPC for Python: raw bytes, no generated code.

usage: grpcio_client.py ADDRESS   prints one line, "ok", or what was wrong.
"""
import sys
import threading

import grpc


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found!r}, not {wanted!r}")


def error_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    sys.exit("a call that must fail did not")


def unary_calls(channel):
    echo = channel.unary_unary("/t.T/Echo")
    expect("echo", echo(b"hello", timeout=20), b"hello")
    expect("empty echo", echo(b"", timeout=20), b"")
    megabyte = bytes(range(256)) * 4096
    expect("a megabyte", echo(megabyte, timeout=20), megabyte)

    failed = error_of(lambda: channel.unary_unary("/t.T/Fail")(b"x", timeout=20))
    expect("code", failed.code(), grpc.StatusCode.FAILED_PRECONDITION)
    expect("message", failed.details(), "100 % naïve\n✓")
    trailers = dict(failed.trailing_metadata())
    expect("trailer", trailers.get("swiftwater-not-applied"), "1")
    expect("binary trailer", trailers.get("detail-bin"), b"\x00\xff\n")

    unknown = error_of(lambda: channel.unary_unary("/t.T/Nothing")(b"", timeout=20))
    expect("unknown method", unknown.code(), grpc.StatusCode.UNIMPLEMENTED)
    late = error_of(lambda: channel.unary_unary("/t.T/Never")(b"", timeout=0.3))
    expect("deadline", late.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
    large = error_of(lambda: echo(b"x" * (5 << 20), timeout=20))
    expect("too large", large.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)

    asked = (("ask", "why not"), ("ask-bin", bytes(range(256))))
    _, call = channel.unary_unary("/t.T/Metadata").with_call(b"", timeout=20, metadata=asked)
    trailers = dict(call.trailing_metadata())
    expect("metadata", trailers.get("got"), "why not")
    expect("binary metadata", trailers.get("got-bin"), bytes(range(256)))


def compressed_calls(address):
    with grpc.insecure_channel(address, compression=grpc.Compression.Gzip) as channel:
        refused = error_of(lambda: channel.unary_unary("/t.T/Echo")(b"x" * 10_000, timeout=20))
        expect("compressed", refused.code(), grpc.StatusCode.UNIMPLEMENTED)


def streams(channel):
    request = (300).to_bytes(4, "little") + (5000).to_bytes(4, "little")
    answers = list(channel.unary_stream("/t.T/Count")(request, timeout=20))
    expect("answers", [(len(a), a[0]) for a in answers], [(5000, n % 256) for n in range(300)])
    collected = channel.stream_unary("/t.T/Collect")(iter([b"x" * n for n in (0, 1, 70_000)]), timeout=20)
    expect("collected", collected, b"70001")
    said = [str(n).encode() for n in range(500)]
    expect("chat", list(channel.stream_stream("/t.T/Chat")(iter(said), timeout=20)), said)

    open_end = threading.Event()
    endless = channel.stream_stream("/t.T/Chat")((b"x" for _ in iter(lambda: open_end.wait(10) and None, True)), timeout=20)
    endless.cancel()
    open_end.set()
    expect("cancelled", endless.code(), grpc.StatusCode.CANCELLED)


def many_calls(channel):
    echo = channel.unary_unary("/t.T/Echo")
    calls = [echo.future(str(n).encode(), timeout=20) for n in range(1000)]
    expect("a thousand calls", [call.result() for call in calls], [str(n).encode() for n in range(1000)])


def main():
    address = sys.argv[1]
    with grpc.insecure_channel(address) as channel:
        unary_calls(channel)
        streams(channel)
        many_calls(channel)
    compressed_calls(address)
    print("ok")


main()
