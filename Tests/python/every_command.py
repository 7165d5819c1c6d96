#!/usr/bin/env python3
"""Uses every KV and Cluster command against every member of a cluster, and expects what the contract says.

    every_command.py 127.0.0.1:7401 127.0.0.1:7402 127.0.0.1:7403      a cluster that runs
    every_command.py --start .build/release                            three members of its own

The stubs are made from proto/ by grpcio-tools, as any user of any language would make them. A check is a
function named `check_…` in one of the `checks_…` modules; it gets a `Member` and runs once for each. The last
line counts: `N passed, N failed`; the exit status is 1 when one failed.
"""

import argparse
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cluster as clusters  # noqa: E402
from runner import Runner, checks_of  # noqa: E402


class NotReady(Exception):
    pass


def wait_until_ready(members, seconds):
    """Until every member takes a write: a new cluster has to meet and elect first."""
    until = time.monotonic() + seconds
    for member in members:
        while True:
            try:
                member.kv.Set(member.pb.SetRequest(key=b"ready", value=member.data(b"yes")), timeout=2)
                break
            except Exception as error:  # noqa: BLE001: whatever it is, it is told when time is up
                if time.monotonic() > until:
                    raise NotReady(f"{member.endpoint} takes no write after {seconds} s: {error}") from None
                time.sleep(0.1)


def run(endpoints):
    from member import Member
    import checks_cluster
    import checks_errors
    import checks_keys
    import checks_protocol

    members = [Member(endpoint) for endpoint in endpoints]
    for member in members:
        member.others = [other for other in members if other is not member]
    wait_until_ready(members, 30)

    runner = Runner()
    for member in members:
        status = member.status()
        print(f"-- {status.name} at {member.endpoint}, {member.role(status).lower()}")
        for module in (checks_keys, checks_errors, checks_cluster, checks_protocol):
            group = module.__name__.removeprefix("checks_")
            for title, check in checks_of(module):
                runner.check(f"{status.name}: {group}: {title}", check, member)
    return runner


def main():
    parser = argparse.ArgumentParser(description="Every command against every member.")
    parser.add_argument("endpoints", nargs="*", help="HOST:PORT of every member")
    parser.add_argument("--start", metavar="DIR", help="start three members from the programs in DIR")
    options = parser.parse_args()
    if bool(options.endpoints) == bool(options.start):
        parser.error("name the members, or say --start")
    with clusters.generate_stubs():
        if options.endpoints:
            return run(options.endpoints).finish()
        with clusters.Cluster(options.start) as own:
            try:
                runner = run(own.endpoints)
            except NotReady as error:
                sys.exit(f"{own.logs()}\n{error}")
            if runner.failures:
                print(own.logs())
            runner.check("SIGTERM ends every member with 0 within 5 s", lambda: equal_ends(own.stop()))
            return runner.finish()


def equal_ends(ends):
    if ends != [0, 0, 0]:
        raise AssertionError(f"the members ended with {ends}")


if __name__ == "__main__":
    sys.exit(main())
