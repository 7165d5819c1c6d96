"""The gateway's `/v1`, and what it serves to those who operate a cluster."""

import base64
import itertools
import json
import socket
import time

import httpx

from expect import equal, eventually, short, true

MIB = 1024 * 1024
_count = itertools.count()


class Member:
    def __init__(self, address):
        self.address = address
        self.client = httpx.Client(base_url=f"http://{address}", timeout=10)

    def key(self, hint="k"):
        """A key that nothing else has used."""
        return f"{hint}-{time.time_ns()}-{next(_count)}"

    def get(self, path, **more):
        return self.client.get(path, **more)

    def post(self, path, body, **more):
        return self.client.post(path, json=body, **more)

    def v1(self, name, body=None):
        return self.post(f"/v1/{name}", {} if body is None else body)

    def raw(self, method, path, body=b"", headers=()):
        """The path as it stands: httpx would tidy it. On a connection of its own."""
        return Raw(self.address, method, path, body, headers)

    @staticmethod
    def bytes(content):
        """Bytes as the API writes them."""
        try:
            return content.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(content).decode()}


class Raw:
    def __init__(self, address, method, path, body, headers):
        host, port = address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            lines = [f"{method} {path} HTTP/1.1", f"Host: {address}", f"Content-Length: {len(body)}", "Connection: close", *headers]
            try:
                connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # It has seen enough of the body to answer.
            received = b""
            try:
                while chunk := connection.recv(1 << 16):
                    received += chunk
            except ConnectionResetError:
                pass
        head, _, self.content = received.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        self.status_code = int(first.split(" ")[1]) if first else None
        self.headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in rest)}
        self.text = self.content.decode(errors="replace")


def wait_until_ready(members):
    def ready():
        try:
            return all(member.get("/readyz").status_code == 200 for member in members)
        except httpx.TransportError:
            return False
    eventually(ready, "all members are ready", 30)


def refused(answer, status, code, not_applied=True):
    equal((answer.status_code, answer.json()["code"], answer.json()["not_applied"]), (status, code, not_applied))
    true(answer.json()["message"], "a refusal says why")


def check_every_kv_command(member):
    key = member.key()
    equal(member.v1("kv/ping").json(), {"message": "PONG"})
    equal(member.v1("kv/get", {"key": key}).json(), {"revision": 0})
    revision = member.v1("kv/set", {"key": key, "value": {"data": "abc"}}).json()["revision"]
    equal(member.v1("kv/get", {"key": key}).json(), {"value": {"data": "abc"}, "revision": revision})
    equal(member.v1("kv/append", {"key": key, "suffix": "de"}).json(), {"length": 5, "revision": revision + 1})
    equal(member.v1("kv/strlen", {"key": key}).json(), {"length": 5})
    equal(member.v1("kv/keys", {"prefix": key}).json(), {"keys": [key], "more": False})
    equal(member.v1("kv/delete", {"key": key}).json(), {"previous": {"data": "abcde"}, "revision": revision + 2})
    equal(member.v1("kv/delete", {"key": key}).json(), {"revision": revision + 2})
    equal(member.v1("kv/append", {"key": key, "item": "x"}).json(), {"length": 1, "revision": revision + 3})


def check_every_consistency(member):
    key = member.key()
    member.v1("kv/set", {"key": key, "value": {"data": "x"}})
    for consistency in ["LINEARIZABLE", "LEASE"]:
        equal(member.v1("kv/get", {"key": key, "consistency": consistency}).json()["value"], {"data": "x"})
        equal(member.v1("kv/keys", {"prefix": key, "consistency": consistency}).json()["keys"], [key])
    eventually(lambda: "value" in member.v1("kv/get", {"key": key, "consistency": "LOCAL"}).json(), "a local read sees it")
    eventually(lambda: member.v1("kv/strlen", {"key": key, "consistency": "LOCAL"}).json()["length"] == 1, "and its length")
    header = member.v1("kv/keys", {"prefix": key, "consistency": "LOCAL"}).json()["header"]
    assert header["applied_index"] > 0 and header["leader_heard_ms"] < 60_000, header


def check_values_as_they_come(member):
    key = member.key()
    for data in [b"", b'"', b"\\", b"</script>", b"\x00\x01\x1f\x7f", b"\xff\xfe\x00", "🦦\u2028".encode(), b"\xff" * MIB, b"\x01" * MIB]:
        form = member.bytes(data)
        answer = member.v1("kv/set", {"key": key, "value": {"data": form}})
        equal((answer.status_code, answer.text[:200] if answer.status_code != 200 else ""), (200, ""))
        equal(member.v1("kv/get", {"key": key}).json()["value"], {"data": form})
    equal(member.v1("kv/set", {"key": {"base64": "aGk="}, "value": {"data": {"base64": ""}}}).status_code, 200)
    refused(member.v1("kv/set", {"key": key, "value": {"data": "x" * (MIB + 1)}}), 413, "RESOURCE_EXHAUSTED")


def check_a_transaction_applies_as_one(member):
    a, b = member.key("a"), member.key("b")
    answer = member.v1("kv/transact", {"operations": [
        {"set": {"key": a, "value": {"data": "x"}}}, {"append": {"key": a, "suffix": "y"}}, {"get": {"key": a}}, {"ping": {}},
        {"append": {"key": b, "item": "i"}}, {"strlen": {"key": a}}, {"keys": {"prefix": b}}, {"delete": {"key": b}}]}).json()
    revision = answer["revision"]
    equal(answer["results"], [
        {"set": {"revision": revision}}, {"append": {"length": 2, "revision": revision}},
        {"get": {"value": {"data": "xy"}, "revision": revision}}, {"ping": {"message": "PONG"}},
        {"append": {"length": 1, "revision": revision}}, {"strlen": {"length": 2}}, {"keys": {"keys": [b]}},
        {"delete": {"previous": {"list": ["i"]}, "revision": revision}}])
    refused(member.v1("kv/transact", {"operations": [
        {"set": {"key": b, "value": {"data": "z"}}}, {"append": {"key": a, "item": "i"}}]}), 409, "FAILED_PRECONDITION")
    equal(member.v1("kv/get", {"key": b}).json(), {"revision": 0})


def check_pages_of_keys(member):
    prefix = member.key()
    names = [f"{prefix}/{i:03}" for i in range(25)]
    for first in range(0, 25, 5):
        member.v1("kv/transact", {"operations": [{"set": {"key": key, "value": {"data": ""}}} for key in names[first:first + 5]]})
    found, after = [], None
    while True:
        page = member.v1("kv/keys", {"prefix": prefix, "limit": 10, **({"start_after": after} if after else {})}).json()
        found += page["keys"]
        if not page["more"]:
            break
        equal(len(page["keys"]), 10)
        after = page["keys"][-1]
    equal(found, names)
    equal(member.v1("kv/keys", {"prefix": prefix, "limit": 25}).json()["more"], False)


def check_a_session_makes_a_retry_harmless(member):
    session = member.v1("cluster/open-session").json()["session_id"]
    key = member.key()
    request = {"key": key, "item": "once", "request_id": {"session_id": session, "sequence": 1}}
    first = member.v1("kv/append", request).json()
    equal(member.v1("kv/append", request).json(), first)
    equal(member.v1("kv/get", {"key": key}).json()["value"], {"list": ["once"]})
    refused(member.v1("kv/append", {**request, "request_id": {"session_id": "999999999", "sequence": 1}}), 409, "FAILED_PRECONDITION", False)


def check_bad_bodies(member):
    for name, bodies in {
        "kv/get": ["", "[]", "null", "{}", '{"key":""}', '{"key":1}', '{"key":null}', '{"key":["a"]}', '{"key":"a","x":1}',
                   '{"key":"a","consistency":"STRONG"}', '{"key":"a","consistency":null}', '{"key":{"base64":"?"}}',
                   '{"key":{"base64":""}}', '{"key":{}}', '{"key":{"base64":"aGk=","x":1}}', '{"key":"\\ud800"}'],
        "kv/set": ['{"key":"a"}', '{"key":"a","value":"x"}', '{"key":"a","value":{}}', '{"key":"a","value":{"data":"x","list":[]}}',
                   '{"key":"a","value":{"list":[1]}}', '{"key":"a","value":{"list":"x"}}', '{"key":"a","value":null}',
                   '{"key":"a","value":{"data":"x"},"request_id":{}}',
                   '{"key":"a","value":{"data":"x"},"request_id":{"session_id":1,"sequence":1}}',
                   '{"key":"a","value":{"data":"x"},"request_id":{"session_id":"0","sequence":1}}',
                   '{"key":"a","value":{"data":"x"},"request_id":{"session_id":"1","sequence":0}}',
                   '{"key":"a","value":{"data":"x"},"request_id":{"session_id":"1","sequence":-1}}',
                   '{"key":"a","value":{"data":"x"},"request_id":{"session_id":"99999999999999999999","sequence":1}}'],
        "kv/append": ['{"key":"a"}', '{"key":"a","suffix":"x","item":"y"}', '{"key":"a","item":{"base64":"aGk="}}'],
        "kv/keys": ['{"limit":0}', '{"limit":10001}', '{"limit":-1}', '{"limit":1.5}', '{"limit":"1"}', '{"prefix":1}'],
        "kv/ping": ['{"x":1}', "1"],
        "kv/transact": ["{}", '{"operations":[]}', '{"operations":{}}', '{"operations":[{}]}', '{"operations":[{"fly":{}}]}',
                        '{"operations":[{"get":{"key":"a"},"ping":{}}]}', '{"operations":[{"get":{"key":"a","consistency":"LOCAL"}}]}',
                        '{"operations":[{"set":{"key":"a","value":{"data":"x"},"request_id":{"session_id":"1","sequence":1}}}]}'],
        "cluster/add-server": ["{}", '{"name":"n9"}', '{"name":"n9","address":"x"}'], "cluster/remove-server": ["{}", '{"name":""}'],
        "cluster/open-session": ['{"x":1}', "[]"],
        "cluster/transfer-leadership": ['{"name":1}', '{"name":null}', '{"x":""}', '{"name":"nobody"}'],
    }.items():
        for body in bodies:
            answer = member.raw("POST", f"/v1/{name}", body.encode())
            if name == "cluster/transfer-leadership" and "nobody" in body and json.loads(answer.text).get("status") == "NOT_LEADER":
                continue
            equal((name, body, answer.status_code), (name, body, 400))
            equal(json.loads(answer.text)["code"], "INVALID_ARGUMENT")
    refused(member.v1("kv/get", {"key": "x" * 65_537}), 400, "INVALID_ARGUMENT")
    equal(member.raw("POST", "/v1/kv/get", b'{"key":"\xff"}').status_code, 400)
    equal(member.raw("POST", "/v1/kv/get", b" " * (9 * MIB)).status_code, 413)


def check_the_wrong_kind_is_409(member):
    key = member.key()
    member.v1("kv/set", {"key": key, "value": {"list": ["a"]}})
    refused(member.v1("kv/append", {"key": key, "suffix": "b"}), 409, "FAILED_PRECONDITION")


def check_faults_need_the_switch(member):
    for name, body in [("set-links", {"links": [{"peer": "n1", "drop_to": True}]}), ("drop-next", {"message": "Heartbeat"}), ("heal", {}),
                       ("expire-election-timer", {})]:
        refused(member.v1(f"fault/{name}", body), 501, "UNIMPLEMENTED")
    refused(member.get("/v1/fault/list"), 501, "UNIMPLEMENTED")
    for name, bodies in {"set-links": [{}, {"links": []}, {"links": [{}]}, {"links": [{"peer": "n1", "delay_ms": 60_001}]}, {"links": [{"peer": "n1", "x": 1}]}],
                         "drop-next": [{}, {"message": "Smoke"}, {"message": "Hello", "count": 0}], "heal": [{"peers": "n1"}, {"x": 1}]}.items():
        for body in bodies:
            refused(member.v1(f"fault/{name}", body), 400, "INVALID_ARGUMENT")


def check_processes_belong_to_who_started_them(member):
    refused(member.get("/v1/process/list"), 501, "UNIMPLEMENTED")
    for order in ["stop", "terminate", "freeze", "resume", "restart"]:
        refused(member.v1(f"process/{order}", {"name": "n1"}), 501, "UNIMPLEMENTED")
        for body in [{}, {"name": ""}, {"name": "n1 n2"}, {"name": "x" * 65}, {"name": "n1", "x": 1}, {"name": 1}]:
            refused(member.v1(f"process/{order}", body), 400, "INVALID_ARGUMENT")
    equal(member.get("/livez").status_code, 200)


def check_status(member):
    status = member.get("/v1/cluster/status").json()
    equal(len(status["members"]), 3)
    equal({entry["connected"] for entry in status["members"] if entry["name"] != status["name"]}, {True})
    equal(len({entry["http_address"] for entry in status["members"]}), 3)
    true(status["role"] in ("LEADER", "FOLLOWER") and status["leader"] in ("n1", "n2", "n3"), f"{status['role']} under {status['leader']!r}")


def check_the_log(member):
    key = member.key()
    member.v1("kv/transact", {"operations": [{"set": {"key": key, "value": {"data": "x" * 5000}}}, {"append": {"key": key, "suffix": "é"}}]})
    last = member.get("/v1/cluster/status").json()["last_log_index"]

    def entries():
        return member.get(f"/v1/cluster/log?from_index={last}").json()["entries"]
    eventually(lambda: entries() and entries()[0]["committed"], "the entry is committed here")
    entry = entries()[0]
    equal((entry["index"], entry["kind"], entry["transaction"]), (last, "COMMAND", True))
    equal(entry["operations"][0], {"operation": "set", "key": key, "data": "x" * 1024, "size": 5000})
    equal(entry["operations"][1], {"operation": "append", "key": key, "suffix": "é"})
    first = member.get("/v1/cluster/log?from_index=0&limit=2").json()["entries"]
    equal([entry["index"] for entry in first], [1, 2])
    equal(member.get(f"/v1/cluster/log?from_index={2 ** 64 - 1}").json(), {"entries": []})
    for query in ["limit=0", "limit=1001", "limit=x", "limit=", "limit=1&limit=2", "from_index=-1", "x=1", "from_index=18446744073709551616"]:
        equal((query, member.get(f"/v1/cluster/log?{query}").status_code), (query, 400))


def check_health_and_metrics(member):
    equal(member.get("/livez").status_code, 200)
    equal(member.get("/readyz").status_code, 200)
    answer = member.get("/metrics")
    true(answer.headers["content-type"].startswith("text/plain; version=0.0.4"), "Prometheus' content type")
    values = {}
    for line in answer.text.splitlines():
        if line.startswith("#"):
            continue
        name, _, value = line.rpartition(" ")
        values[name] = float(value)
    true(values["swiftwater_term"] >= 1, "a term")
    equal(values['swiftwater_peer_connected{peer="n1"}'] if member.get("/v1/cluster/status").json()["name"] != "n1" else 1, 1)
    true(values["swiftwater_last_log_index"] >= values["swiftwater_commit_index"] >= 1, "a log")
    true(values['swiftwater_http_requests_total{code="2xx"}'] > 1, "answers are counted")
    turns = [value for name, value in values.items() if name.startswith("swiftwater_loop_turn_seconds_bucket")]
    equal(turns, sorted(turns))
    true(turns[-1] == values["swiftwater_loop_turn_seconds_count"] > 1, "the loop's turns are counted")
    true(0 < values["swiftwater_loop_turn_seconds_sum"] < 3600, "and timed")
    equal(values["swiftwater_loop_turn_cpu_seconds_count"], values["swiftwater_loop_turn_seconds_count"])
    true(0 < values["swiftwater_loop_turn_cpu_seconds_sum"] < 3600, "and their work too")


def check_pages_from_elsewhere_are_refused(member):
    port = member.address.rsplit(":", 1)[1]
    body = b'{"type":"PUT","value":[]}'
    for origin in ["http://evil.example", "null", "https://127.0.0.1:1", "http://127.0.0.1.evil.example", ""]:
        answer = member.raw("POST", f"/keys/{member.key()}", body, [f"Origin: {origin}"])
        equal((origin, answer.status_code), (origin, 403))
        true("access-control-allow-origin" not in answer.headers, "and not told otherwise")
    for origin in [f"http://127.0.0.1:{port}", f"http://localhost:{port}", "http://127.0.0.1:1", "http://[::1]:5"]:
        answer = member.raw("POST", f"/keys/{member.key()}", body, [f"Origin: {origin}"])
        equal((answer.status_code, answer.headers["access-control-allow-origin"]), (204, origin))
        equal(member.raw("OPTIONS", "/v1/kv/set", b"", [f"Origin: {origin}"]).status_code, 204)


def check_many_requests_on_one_connection(member):
    host, port = member.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        received = b""
        while received.count(b"alive") < 200:
            chunk = connection.recv(1 << 16)
            true(chunk, "the connection stays")
            received += chunk


def check_garbage_ends_only_its_own_connection(member):
    host, port = member.address.rsplit(":", 1)
    for garbage in [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 1000,
                    b"POST /v1/kv/get HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 400_000 + b"\r\n\r\n"]:
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            try:
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass
            except (ConnectionResetError, BrokenPipeError):
                pass
    equal(member.get("/livez").status_code, 200)
