"""Every route of the gateway, good and bad input, over real sockets: `http_api.py DIRECTORY-OF-THE-PROGRAMS`."""

import sys

import checks_events
import checks_http
import checks_http_lists
import checks_http_quorum
from cluster import Cluster, free_ports
from runner import Runner, checks_of


class HTTPCluster(Cluster):
    """Members with a gateway each."""

    def __init__(self, binaries, members=3):
        ports = free_ports(2 * members + 2)
        self.http = [f"127.0.0.1:{port}" for port in ports[members:2 * members]]
        self.spare = [f"127.0.0.1:{port}" for port in ports[2 * members:]]
        super().__init__(binaries, members, endpoints=[f"127.0.0.1:{port}" for port in ports[:members]])

    def arguments(self, i):
        return super().arguments(i) + ["--http", self.http[i]]


def main(binaries):
    runner = Runner()
    with HTTPCluster(binaries) as cluster:
        members = [checks_http.Member(address) for address in cluster.http]
        if not runner.check("the cluster gets a leader", checks_http.wait_until_ready, members):
            print(cluster.logs())
        for i, member in enumerate(members):
            for title, check in checks_of(checks_http_lists, checks_http):
                runner.check(f"n{i + 1}: {title}", check, member)
        for title, check in checks_of(checks_events, checks_http_quorum):
            runner.check(title, check, cluster, members)
    return runner.finish()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: http_api.py DIRECTORY-OF-THE-PROGRAMS")
    sys.exit(main(sys.argv[1]))
