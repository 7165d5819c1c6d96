"""Compares Wire's bytes with those of Python's protobuf, from the same .proto files.

    wire_cross_check.py SAMPLES VARIANTS

SAMPLES holds what Wire wrote and, as protobuf's JSON, what it meant by it. Each must parse, must say just that, and
must be what protobuf itself would have written. VARIANTS then receives every message again as other writers might
write it: fields in the opposite order, fields that nobody knows in between. Wire must read the same from it.

Both files are records of: type, bytes, JSON (SAMPLES only), each with its length in front (32 bits, little-endian).
"""
import importlib
import pathlib
import struct
import sys
import tempfile

from google.protobuf import json_format
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
FILES = ["kv", "cluster", "raft", "fault"]


def modules(directory):
    arguments = ["protoc", f"-I{PROTO}", f"--python_out={directory}"]
    if protoc.main(arguments + [str(PROTO / f"swiftwater/v1/{name}.proto") for name in FILES]) != 0:
        sys.exit("grpc_tools.protoc does not take the .proto files as they stand")
    sys.path.insert(0, directory)
    return [importlib.import_module(f"swiftwater.v1.{name}_pb2") for name in FILES]


def read(file):
    while head := file.read(4):
        yield file.read(struct.unpack("<I", head)[0])


def unknown_fields(number):
    """A varint and some bytes, under numbers that no message has."""
    tag = (1900 + number) << 3
    varint = bytes([tag & 0x7F | 0x80, tag >> 7 & 0x7F]) + b"\x05"
    tag = tag | 2
    return varint + bytes([tag & 0x7F | 0x80, tag >> 7 & 0x7F]) + b"\x03new"


def variant(message):
    parts = []
    for number, (field, value) in enumerate(reversed(message.ListFields())):
        part = type(message)()
        if field.label == field.LABEL_REPEATED if hasattr(field, "label") else field.is_repeated:
            getattr(part, field.name).extend(value)
        elif field.message_type:
            getattr(part, field.name).CopyFrom(value)
        else:
            setattr(part, field.name, value)
        parts.append(part.SerializeToString() + unknown_fields(number))
    return b"".join(parts)


def main():
    samples, variants = sys.argv[1:]
    wrong = checked = 0
    with tempfile.TemporaryDirectory() as directory, open(samples, "rb") as file, open(variants, "wb") as out:
        loaded = modules(directory)
        records = read(file)
        for name in records:
            written, meaning = next(records), next(records)
            message_type = next(getattr(m, name.decode()) for m in loaded if hasattr(m, name.decode()))
            meant = json_format.Parse(meaning, message_type())
            message = message_type.FromString(written)
            checked += 1
            if message != meant:
                print(f"{name.decode()} says\n{message}and meant\n{meant}", file=sys.stderr)
                wrong += 1
            elif message.SerializeToString(deterministic=True) != written:
                print(f"{name.decode()} is not written as protobuf writes it: {written.hex()}", file=sys.stderr)
                wrong += 1
            for part in (name, variant(message)):
                out.write(struct.pack("<I", len(part)) + part)
    print(f"{checked} checked, {wrong} wrong")
    sys.exit(1 if wrong or not checked else 0)


main()
