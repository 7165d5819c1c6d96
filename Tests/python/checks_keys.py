"""What the key/value commands do when they are used well."""

from member import (KEY_LIMIT, MIB, equal, eventually, op_append, op_delete, op_get, op_keys, op_ping, op_set, op_strlen, true)
from swiftwater.v1 import kv_pb2


def check_ping(member):
    equal(member.ping(), "PONG")


def check_missing_key(member):
    answer = member.get(member.key())
    true(not answer.HasField("value"), "a missing key has a value")
    equal(answer.revision, 0)
    equal(member.strlen(member.key()), 0)


def check_data_comes_back(member):
    for content in (b"fox", b"", b"\0\xff\x80" * 3, bytes(range(256)) * 16, b"x" * MIB):
        key = member.key()
        written = member.set(key, content).revision
        answer = member.get(key)
        equal(answer.value.WhichOneof("kind"), "data")
        equal(answer.value.data, content)
        equal(answer.revision, written)
        equal(member.strlen(key), len(content))


def check_list_comes_back(member):
    for items in (["cat", "dog"], [], [""], ["a\0b", "grün", "🦊", "tab\tnewline\n"], ["x" * 1000] * 500):
        key = member.key()
        member.set(key, member.list(*items))
        answer = member.get(key)
        equal(answer.value.WhichOneof("kind"), "list")
        equal(list(answer.value.list.items), items)
        equal(member.strlen(key), len(items))


def check_any_bytes_are_a_key(member):
    tail = member.key()
    for key in (b"\0" + tail, b"\xff\xfe" + tail, b"with space\n/" + tail, "schlüssel".encode() + tail,
                (b"long" * KEY_LIMIT)[:KEY_LIMIT - len(tail)] + tail):
        member.set(key, b"here")
        equal(member.get(key).value.data, b"here")
        equal(member.delete(key).previous.data, b"here")


def check_set_replaces_either_kind(member):
    key = member.key()
    for value in (member.data(b"one"), member.list("two"), member.data(b"three")):
        member.set(key, value)
        equal(member.get(key).value, value)


def check_delete_gives_what_was_there(member):
    key = member.key()
    member.set(key, b"old")
    answer = member.delete(key)
    equal(answer.previous.data, b"old")
    true(not member.get(key).HasField("value"), "still there after delete")
    again = member.delete(key)
    true(not again.HasField("previous"), "a missing key had a value")
    equal(again.revision, answer.revision)
    member.set(key, member.list("a", "b"))
    equal(list(member.delete(key).previous.list.items), ["a", "b"])


def check_append_suffix(member):
    key = member.key()
    equal(member.append(key, suffix=b"ab").length, 2)
    equal(member.append(key, suffix=b"").length, 2)
    answer = member.append(key, suffix=b"\0c")
    equal(answer.length, 4)
    equal(member.get(key).value.data, b"ab\0c")
    equal(member.get(key).revision, answer.revision)


def check_append_item(member):
    key = member.key()
    equal(member.append(key, item="cat").length, 1)
    equal(member.append(key, item="").length, 2)
    equal(member.append(key, item="🦊").length, 3)
    equal(list(member.get(key).value.list.items), ["cat", "", "🦊"])


def check_revisions_count_entries(member):
    key, other = member.key(), member.key()
    first = member.set(key, b"1").revision
    equal(member.set(key, b"1").revision, first + 1)
    equal(member.append(key, suffix=b"2").revision, first + 2)
    equal(member.transact(op_set(key, b"x"), op_set(other, b"y"), op_append(other, suffix=b"z")).revision, first + 3)
    equal(member.get(other).revision, first + 3)
    equal(member.delete(key).revision, first + 4)
    equal(member.delete(key).revision, first + 4)


def check_a_write_is_seen_by_every_member_at_once(member):
    key = member.key()
    for i in range(20):
        content = str(i).encode()
        member.set(key, content)
        for other in [member, *member.others]:
            equal(other.get(key).value.data, content)
            equal(other.get(key, kv_pb2.LEASE).value.data, content)


def check_local_reads_catch_up(member):
    key = member.key()
    member.set(key, b"local")
    for other in [member, *member.others]:
        eventually(lambda other=other: other.get(key, kv_pb2.LOCAL).value.data == b"local", f"{other.endpoint} never applied the write")
        equal(other.strlen(key, kv_pb2.LOCAL), 5)
        equal(other.keys(prefix=key, consistency=kv_pb2.LOCAL), [key])


def check_keys_in_byte_order(member):
    prefix = member.key() + b"/"
    names = [b"", b"\0", b"A", b"a", b"a\0", b"aa", b"b", b"\x7f", b"\x80", b"\xff", b"\xff\xff"]
    for name in reversed(names):
        member.set(prefix + name, b"")
    equal(member.keys(prefix=prefix), sorted(prefix + name for name in names))
    equal(member.keys(prefix=prefix + b"a"), [prefix + b"a", prefix + b"a\0", prefix + b"aa"])
    equal(member.keys(prefix=prefix, limit=3), sorted(prefix + name for name in names)[:3])
    equal(member.keys(prefix=prefix, start_after=prefix + b"a"), [key for key in sorted(prefix + name for name in names) if key > prefix + b"a"])
    equal(member.keys(prefix=prefix, start_after=prefix + b"a!", limit=1), [prefix + b"aa"])
    equal(member.keys(prefix=prefix, start_after=prefix + b"\xff\xff"), [])
    equal(member.keys(prefix=member.key()), [])


def check_keys_of_many_messages(member):
    prefix = member.key() + b"/"
    wanted = [prefix + b"%04d" % i + b"x" * 1000 for i in range(3000)]
    for start in range(0, len(wanted), 500):
        member.transact(*(op_set(key, b"") for key in wanted[start:start + 500]))
    answers = [list(answer.keys) for answer in member.kv.Keys(kv_pb2.KeysRequest(prefix=prefix), timeout=20)]
    equal([key for answer in answers for key in answer], wanted)
    true(len(answers) > 1, "3 MB of keys in one message")
    found, after = [], b""
    while page := member.keys(prefix=prefix, start_after=after, limit=700):
        found += page
        after = page[-1]
    equal(found, wanted)


def check_transaction_sees_its_own_steps(member):
    a, b = member.key(), member.key()
    answer = member.transact(
        op_set(a, b"b"), op_append(a, suffix=b"1"), op_get(a), op_strlen(a), op_delete(b), op_append(b, item="x"),
        op_get(b), op_delete(a), op_get(a), op_ping(), op_keys(prefix=b))
    kinds = [result.WhichOneof("response") for result in answer.results]
    equal(kinds, ["set", "append", "get", "strlen", "delete", "append", "get", "delete", "get", "ping", "keys"])
    results = answer.results
    equal(results[1].append.length, 2)
    equal(results[2].get.value.data, b"b1")
    equal(results[3].strlen.length, 2)
    true(not results[4].delete.HasField("previous"), "a missing key had a value")
    equal(list(results[6].get.value.list.items), ["x"])
    equal(results[7].delete.previous.data, b"b1")
    true(not results[8].get.HasField("value"), "deleted in the same transaction, and there")
    equal(results[9].ping.message, "PONG")
    equal(list(results[10].keys.keys), [b])
    equal(member.get(b).revision, answer.revision)


def check_transaction_that_reads_writes_no_entry(member):
    key = member.key()
    written = member.set(key, b"v").revision
    # A read that is served here has the write in this member's own log: a majority may do without it.
    member.get(key)
    before = member.status().last_log_index
    answer = member.transact(op_get(key), op_strlen(key), op_get(member.key()))
    equal(answer.results[0].get.value.data, b"v")
    equal(answer.revision, written)
    equal(member.status().last_log_index, before)


def check_transaction_is_one_entry(member):
    before = member.status().last_log_index
    member.set(member.key(), b"settle")
    eventually(lambda: member.status().last_log_index > before, "the write never reached this member's log")
    before = member.status().last_log_index
    member.transact(*(op_set(member.key(), b"") for _ in range(100)))
    eventually(lambda: member.status().last_log_index > before, "the transaction never reached this member's log")
    equal(member.status().last_log_index, before + 1)


def check_many_at_once(member):
    keys = [member.key() for _ in range(300)]
    writes = [member.kv.Set.future(kv_pb2.SetRequest(key=key, value=kv_pb2.Value(data=key)), timeout=20) for key in keys]
    revisions = [write.result().revision for write in writes]
    equal(len(set(revisions)), len(keys))
    reads = [member.kv.Get.future(kv_pb2.GetRequest(key=key), timeout=20) for key in keys]
    equal([read.result().value.data for read in reads], keys)
