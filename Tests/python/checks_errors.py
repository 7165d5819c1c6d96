"""What bad input gets: the contract's status code, a message, and no harm."""

import grpc
from grpc import StatusCode
from member import (KEY_LIMIT, MIB, VALUE_LIMIT, Member, equal, fails, op, op_append, op_delete, op_get, op_set, op_strlen, true)
from swiftwater.v1 import cluster_pb2, kv_pb2

INVALID, PRECONDITION, EXHAUSTED = StatusCode.INVALID_ARGUMENT, StatusCode.FAILED_PRECONDITION, StatusCode.RESOURCE_EXHAUSTED
UNARY = ["Ping", "Get", "Set", "Strlen", "Delete", "Append", "Transact"]


def every_use_of_a_key(member, key):
    return {
        "get": lambda: member.get(key),
        "set": lambda: member.set(key, b"v"),
        "strlen": lambda: member.strlen(key),
        "delete": lambda: member.delete(key),
        "append": lambda: member.append(key, suffix=b"v"),
        "append item": lambda: member.append(key, item="v"),
        "get in a transaction": lambda: member.transact(op_get(key)),
        "set in a transaction": lambda: member.transact(op_set(member.key(), b""), op_set(key, b"v")),
        "strlen in a transaction": lambda: member.transact(op_strlen(key)),
        "delete in a transaction": lambda: member.transact(op_delete(key)),
        "append in a transaction": lambda: member.transact(op_append(key, suffix=b"v")),
        "get, local": lambda: member.get(key, kv_pb2.LOCAL),
    }


def all_fail(uses, *codes):
    for name, use in uses.items():
        try:
            fails(use, *codes)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


def check_empty_key(member):
    all_fail(every_use_of_a_key(member, b""), INVALID)


def check_key_over_64_kib(member):
    all_fail(every_use_of_a_key(member, b"k" * (KEY_LIMIT + 1)), INVALID)


def check_nothing_given(member):
    all_fail({
        "set without a value": lambda: member.kv.Set(kv_pb2.SetRequest(key=b"k"), timeout=10),
        "set of a value without a kind": lambda: member.kv.Set(kv_pb2.SetRequest(key=b"k", value=kv_pb2.Value()), timeout=10),
        "append of nothing": lambda: member.append(b"k"),
        "a transaction of nothing": lambda: member.transact(),
        "an operation of nothing": lambda: member.transact(op()),
    }, INVALID)


def check_unknown_enum(member):
    key = member.key()
    all_fail({
        "get": lambda: member.get(key, 9),
        "strlen": lambda: member.strlen(key, 3),
        "keys": lambda: member.keys(prefix=key, consistency=77),
        "in a transaction": lambda: member.transact(op_get(key, consistency=9)),
        "negative": lambda: member.get(key, -1),
    }, INVALID)


def check_malformed_message(member):
    bodies = [b"\xff", b"\x0a", b"\x0a\x05abc", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0b"]
    for name in UNARY:
        for body in bodies:
            fails(lambda name=name, body=body: member.raw(f"/swiftwater.v1.KV/{name}", body), INVALID)
    for body in bodies:
        fails(lambda body=body: member.raw_stream("/swiftwater.v1.KV/Keys", body), INVALID)
        fails(lambda body=body: member.raw("/swiftwater.v1.Cluster/Status", body), INVALID)
    equal(member.ping(), "PONG")


def check_unknown_fields_are_no_error(member):
    key = member.key()
    request = kv_pb2.SetRequest(key=key, value=kv_pb2.Value(data=b"v")).SerializeToString()
    member.raw("/swiftwater.v1.KV/Set", request + b"\xa2\x06\x03abc" + b"\xa8\x06\x07")
    equal(member.get(key).value.data, b"v")


def check_text_that_is_not_utf8(member):
    key = member.key()
    head = kv_pb2.SetRequest(key=key).SerializeToString()
    for item in (b"\xff", b"a\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"tail\xe2\x82"):
        items = b"\x0a" + bytes([len(item)]) + item
        value = b"\x12" + bytes([len(items)]) + items
        fails(lambda value=value: member.raw("/swiftwater.v1.KV/Set", head + b"\x12" + bytes([len(value)]) + value), INVALID)
        fails(lambda item=item: member.raw("/swiftwater.v1.KV/Append", head + b"\x1a" + bytes([len(item)]) + item), INVALID)
    true(not member.get(key).HasField("value"), "a refused write was applied")


def check_value_at_and_over_the_limit(member):
    key = member.key()
    member.set(key, b"v" * VALUE_LIMIT)
    equal(member.strlen(key), VALUE_LIMIT)
    all_fail({
        "set": lambda: member.set(key, b"v" * (VALUE_LIMIT + 1)),
        "set of a list": lambda: member.set(key, member.list(*["x" * 1024] * 1100)),
        "append": lambda: member.append(key, suffix=b"x"),
        "set in a transaction": lambda: member.transact(op_set(member.key(), b""), op_set(key, b"v" * (VALUE_LIMIT + 1))),
    }, EXHAUSTED)
    equal(member.get(key).value.data, b"v" * VALUE_LIMIT)
    items = member.key()
    member.set(items, member.list("x" * (VALUE_LIMIT - 100)))
    fails(lambda: member.append(items, item="y" * 200), EXHAUSTED)
    equal(member.strlen(items), 1)


def check_message_over_4_mib(member):
    fails(lambda: member.set(member.key(), b"v" * (4 * MIB + 1)), EXHAUSTED)
    fails(lambda: member.set(member.key(), b"v" * (16 * MIB)), EXHAUSTED)
    fails(lambda: member.raw("/swiftwater.v1.KV/Set", b"\0" * (40 * MIB)), EXHAUSTED)
    equal(member.ping(), "PONG")


def check_wrong_kind(member):
    data, items = member.key(), member.key()
    member.set(data, b"text")
    member.set(items, member.list("one"))
    all_fail({
        "an item to data": lambda: member.append(data, item="x"),
        "a suffix to a list": lambda: member.append(items, suffix=b"x"),
        "an empty suffix to a list": lambda: member.append(items, suffix=b""),
        "in a transaction": lambda: member.transact(op_append(data, item="x")),
    }, PRECONDITION)
    equal(member.get(data).value.data, b"text")
    equal(list(member.get(items).value.list.items), ["one"])


def check_failed_transaction_changes_nothing(member):
    a, b, listed = member.key(), member.key(), member.key()
    member.set(a, b"before")
    before = member.set(listed, member.list("x")).revision
    error = fails(lambda: member.transact(op_set(a, b"after"), op_set(b, b"new"), op_append(listed, suffix=b"wrong"), op_delete(a)), PRECONDITION)
    true(any(name in error.details().lower() for name in ("2", "3", "third")), f"the message does not name the operation: {error.details()}")
    equal(member.get(a).value.data, b"before")
    true(not member.get(b).HasField("value"), "half a transaction was applied")
    equal(member.set(member.key(), b"next").revision, before + 1)


def check_transactions_that_make_no_sense(member):
    key = member.key()
    identity = kv_pb2.RequestId(session_id=1, sequence=1)
    all_fail({
        "a local read": lambda: member.transact(op_get(key, consistency=kv_pb2.LOCAL)),
        "a request id inside": lambda: member.transact(op_set(key, b"v", request_id=identity)),
        "10,001 operations": lambda: member.transact(*[op_get(key)] * 10_001),
    }, INVALID)
    equal(len(member.transact(*[op_get(key)] * 10_000).results), 10_000)


def check_unknown_session(member):
    key = member.key()
    identity = kv_pb2.RequestId(session_id=2**60, sequence=1)
    all_fail({
        "set": lambda: member.set(key, b"v", request_id=identity),
        "delete": lambda: member.delete(key, request_id=identity),
        "append": lambda: member.append(key, suffix=b"v", request_id=identity),
        "transact": lambda: member.transact(op_set(key, b"v"), request_id=identity),
    }, StatusCode.FAILED_PRECONDITION)
    for identity in (kv_pb2.RequestId(session_id=0, sequence=1), kv_pb2.RequestId(session_id=7, sequence=0)):
        all_fail({"half an id": lambda: member.set(key, b"v", request_id=identity)}, INVALID)
    true(not member.get(key).HasField("value"), "a refused write was applied")


def check_session_applies_once(member):
    """The same request, sent to every member, is applied once and answered the same each time."""
    key = member.key()
    session = member.cluster.OpenSession(cluster_pb2.OpenSessionRequest(), timeout=10).session_id
    true(session > 0, "a session has no id")
    for sequence in (1, 2, 3):
        identity = kv_pb2.RequestId(session_id=session, sequence=sequence)
        answers = [one.append(key, suffix=b"x", request_id=identity) for one in [member, *member.others, member]]
        true(all(answer.length == sequence for answer in answers), f"lengths {[a.length for a in answers]}")
        true(len({answer.revision for answer in answers}) == 1, "a repeated request got another revision")
    equal(member.get(key).value.data, b"xxx")


def check_unknown_method_and_service(member):
    for path in ("/swiftwater.v1.KV/Increment", "/swiftwater.v2.KV/Get", "/no.such.Service/Call", "/x"):
        fails(lambda path=path: member.raw(path, b""), StatusCode.UNIMPLEMENTED)
    equal(member.ping(), "PONG")


def check_compressed_request(member):
    """We announce no compression, so a compressed message is refused by name, or understood: never misread."""
    key = member.key()
    request = kv_pb2.SetRequest(key=key, value=kv_pb2.Value(data=b"a" * 10_000))
    try:
        member.kv.Set(request, timeout=10, compression=grpc.Compression.Gzip)
    except grpc.RpcError as error:
        equal(error.code(), StatusCode.UNIMPLEMENTED)
        true(not member.get(key).HasField("value"), "a refused write was applied")
        return
    equal(member.get(key).value.data, b"a" * 10_000)


def check_bad_input_costs_others_nothing(member):
    """Bad and good calls together on one connection: each gets its own answer."""
    calls = []
    for i in range(100):
        calls.append((member.kv.Get.future(kv_pb2.GetRequest(key=b""), timeout=20), INVALID))
        calls.append((member.kv.Set.future(kv_pb2.SetRequest(key=b"good%d" % i, value=kv_pb2.Value(data=b"v")), timeout=20), StatusCode.OK))
    for call, code in calls:
        equal(call.code(), code)


def check_a_connection_of_its_own_is_enough(member):
    for _ in range(20):
        fresh = Member(member.endpoint)
        equal(fresh.ping(), "PONG")
        fresh.channel.close()
