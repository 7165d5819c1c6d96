"""The lists API and what stands beside it: the requests of a laboratory's scripts, and their mistakes."""

import json
import urllib.parse

from checks_http import MIB, equal, true


def path(key):
    """The whole key percent-encoded: bytes or text."""
    return "/keys/" + urllib.parse.quote(key, safe="")


def put(member, key, *items):
    equal(member.post(path(key), {"type": "PUT", "value": list(items)}).status_code, 204)


def check_put_append_get(member):
    key = member.key()
    answer = member.post(path(key), {"type": "PUT", "value": ["cat", "dog"]})
    equal((answer.status_code, answer.content), (204, b""))
    equal(member.post(path(key), {"type": "APPEND", "value": "mouse"}).status_code, 204)
    answer = member.get(path(key))
    equal((answer.status_code, answer.json()), (200, ["cat", "dog", "mouse"]))
    equal(answer.headers["content-type"], "application/json")


def check_append_to_a_missing_key_makes_a_list_of_one(member):
    key = member.key()
    equal(member.post(path(key), {"type": "APPEND", "value": "mouse"}).status_code, 204)
    equal(member.get(path(key)).json(), ["mouse"])


def check_a_missing_key_is_404_with_an_empty_body(member):
    answer = member.get(path(member.key()))
    equal((answer.status_code, answer.content), (404, b""))


def check_an_empty_list_is_a_list(member):
    key = member.key()
    put(member, key)
    answer = member.get(path(key))
    equal((answer.status_code, answer.json()), (200, []))


def check_a_value_that_is_no_list_is_400(member):
    key = member.key()
    equal(member.v1("kv/set", {"key": key, "value": {"data": "x"}}).status_code, 200)
    equal(member.get(path(key)).status_code, 400)
    equal(member.post(path(key), {"type": "APPEND", "value": "x"}).status_code, 400)


def check_the_three_refusals(member):
    address = path(member.key())
    cases = {
        "The request is not valid": [b"", b"{", b"[]", b"null", b'"PUT"', b"1", b"\xff", b"{}", b'{"type":"PUT"}',
                                     b'{"value":["a"]}', b"[" * 10_000],
        "The request type is not correct": [b'{"type":"DELETE","value":["a"]}', b'{"type":"put","value":["a"]}',
                                            b'{"type":1,"value":"a"}', b'{"type":null,"value":"a"}'],
        "The request value is not valid": [b'{"type":"PUT","value":"a"}', b'{"type":"PUT","value":[1]}',
                                           b'{"type":"PUT","value":["a",null]}', b'{"type":"PUT","value":null}',
                                           b'{"type":"PUT","value":{"0":"a"}}', b'{"type":"APPEND","value":["a"]}', b'{"type":"PUT","value":["\\ud800"]}',
                                           b'{"type":"APPEND","value":1}', b'{"type":"APPEND","value":null}'],
    }
    for text, bodies in cases.items():
        for body in bodies:
            answer = member.raw("POST", address, body)
            equal((body[:60], answer.status_code, answer.text), (body[:60], 400, text))
            true(answer.headers["content-type"].startswith("text/plain"), "the refusal is text")
    equal(member.get(address).status_code, 404)


def check_keys_as_they_come(member):
    for hint in ["a/b", "a//b/", "/", "//", "%2F", "%", "a%20b", "a b", "a+b", "?x=1", "#", "..", "../..", ".", "ü", "日本",
                 '"', "'", "<b>&amp;</b>", "\\", "\n", "\x00", "\x7f", b"\xff\xfe", b"\xc3(", "x" * 60_000]:
        key = member.key().encode() + (hint if isinstance(hint, bytes) else hint.encode())
        put(member, key, "v")
        equal(member.get(path(key)).json(), ["v"])
        form = member.bytes(key)
        equal(member.v1("kv/get", {"key": form}).json()["value"], {"list": ["v"]})


def check_slashes_may_stand_unescaped(member):
    key = member.key()
    put(member, f"{key}/a//b/", "v")
    answer = member.raw("GET", f"/keys/{key}/a//b/")
    equal((answer.status_code, answer.text), (200, '["v"]'))


def check_bad_escapes_are_400(member):
    for tail in ["%", "%2", "%zz", "a%f"]:
        equal(member.raw("GET", "/keys/" + tail).status_code, 400)
        equal(member.raw("POST", "/keys/" + tail, b'{"type":"PUT","value":[]}').status_code, 400)


def check_a_key_over_64_kib_is_400(member):
    equal(member.raw("POST", path("x" * 65_536), b'{"type":"PUT","value":[]}').status_code, 204)
    equal(member.raw("POST", path("x" * 65_537), b'{"type":"PUT","value":[]}').status_code, 400)
    equal(member.raw("GET", path("x" * 65_537)).status_code, 400)


def check_items_as_they_come(member):
    items = ["", '"', "'", "\\", "</script><script>alert(1)</script>", "\x00\x01\x1f\x7f", "\u2028\u2029", "🦦", "a" * 100_000]
    key = member.key()
    put(member, key, *items)
    member.post(path(key), {"type": "APPEND", "value": items[3]})
    equal(member.get(path(key)).json(), items + [items[3]])


def check_a_value_of_1_mib_and_more(member):
    key = member.key()
    # A list counts its items with their lengths: four bytes of each.
    put(member, key, "x" * (MIB - 4))
    equal(len(member.get(path(key)).json()[0]), MIB - 4)
    equal(member.post(path(key), {"type": "PUT", "value": ["x" * MIB]}).status_code, 413)
    equal(member.post(path(key), {"type": "APPEND", "value": "x"}).status_code, 413)
    equal(member.raw("POST", path(key), b" " * (9 * MIB)).status_code, 413)
    equal(member.raw("POST", path(key), json.dumps({"type": "PUT", "value": ["\x01" * (MIB - 4)]}).encode()).status_code, 204)


def check_other_paths_and_methods(member):
    for address in ["/nothing", "/keys", "/keys/", "/key/a", "/admin", "/admin/status/", "/v1", "/v1/kv", "/v1/kv/nothing", "//",
                    "/v1/kv/get/", "/V1/kv/get"]:
        for method in ["GET", "POST", "DELETE"]:
            equal((address, method, member.raw(method, address, b"{}").status_code), (address, method, 404))
    for address, allowed in [("/keys/a", "GET, POST"), ("/admin/status", "GET"), ("/v1/kv/get", "POST"), ("/metrics", "GET"),
                             ("/v1/cluster/log", "GET"), ("/v1/cluster/open-session", "POST")]:
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]:
            if method in allowed.split(", "):
                continue
            answer = member.raw(method, address, b"{}")
            equal((address, method, answer.status_code), (address, method, 405))
            equal(answer.headers["allow"], allowed)


def check_admin_status_in_the_old_words(member):
    status = member.get("/admin/status").json()
    for name in ["self", "state", "leader", "has_quorum", "partner_nodes_count", "log_len", "last_applied", "commit_idx",
                 "raft_term", "leader_commit_idx", "uptime"]:
        true(name in status, f"{name} is missing")
    equal(status["partner_nodes_count"], 2)
    equal(status["has_quorum"], True)
    partners = {name: value for name, value in status.items() if name.startswith("partner_node_status_server_")}
    equal(sorted(partners.values()), [2, 2])
    true(status["state"] in (0, 2), "nobody campaigns in a calm cluster")
    equal(status["leader"] == status["self"], status["state"] == 2)
    followers = [name for name in status if name.startswith(("next_node_idx_server_", "match_idx_server_"))]
    equal(len(followers), 4 if status["state"] == 2 else 0)
