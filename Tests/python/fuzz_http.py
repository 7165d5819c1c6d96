"""schemathesis over the OpenAPI document that a member serves: `fuzz_http.py DIRECTORY-OF-THE-PROGRAMS [EXAMPLES]`.

Events are left out: a stream that never ends is nothing for a fuzzer, and checks_events.py has it.
"""

import pathlib
import subprocess
import sys

import checks_http
from http_api import HTTPCluster

HERE = pathlib.Path(__file__).resolve().parent


def main(binaries, examples="15"):
    with HTTPCluster(binaries, members=1) as cluster:
        checks_http.wait_until_ready([checks_http.Member(cluster.http[0])])
        fuzzer = pathlib.Path(sys.executable).with_name("schemathesis")
        status = subprocess.call(
            [str(fuzzer), "--config-file", str(HERE / "schemathesis.toml"), "run", f"http://{cluster.http[0]}/openapi.json",
             "--exclude-path", "/v1/events", "--max-examples", examples, "--seed", "1", "--generation-database", "none",
             "--no-color", "--request-timeout", "10"], cwd=cluster.directory)
        if status == 0 and not checks_http.Member(cluster.http[0]).get("/livez").is_success:
            status = 1
    print("1 passed, 0 failed" if status == 0 else "0 passed, 1 failed", flush=True)
    return status


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: fuzz_http.py DIRECTORY-OF-THE-PROGRAMS [EXAMPLES]")
    sys.exit(main(*sys.argv[1:]))
