#!/usr/bin/env python3
"""What open dashboards cost the cluster that they show.

    bench_pages.py BINARIES [--rounds 7] [--seconds 4] [--pages 5] [--clients 100] [--inflight 10] [--reads 0.5] [--browser]

One cluster of three members on loopback, with their gateways; `swiftwater bench` loads it again and again, in turn without
and with pages, in the order ABBA, so that a machine that gets slower or faster favours neither. Each pair gives a ratio; the
median of the ratios counts, and 5 % is the most that the pages may cost.

A page, as the members see it, is a stream of events from each of them, read as fast as it comes: that is what is opened, by
curl, so that what is measured is the members' cost and not that of drawing. With --browser the pages are real ones in headless
Chromium, whose drawing takes part of the same machine.

A run counts only when it has proved what it measured: the bench had no errors, the leader is still the same, and with pages
each stream has brought events from its beginning to its end, during the run. Otherwise it is repeated, and told; after three
repetitions of one run the program gives up.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Tests/python"))

from http_api import HTTPCluster  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", help="where swiftwaterd and swiftwater are")
    parser.add_argument("--rounds", type=int, default=7, help="pairs of runs")
    parser.add_argument("--seconds", type=float, default=4, help="how long one run is")
    parser.add_argument("--pages", type=int, default=5)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--inflight", type=int, default=10)
    parser.add_argument("--reads", type=float, default=0.5, help="the share of reads")
    parser.add_argument("--browser", action="store_true", help="real pages in Chromium, on the same machine")
    parser.add_argument("--most", type=float, default=5, help="what they may cost, in percent")
    parser.add_argument("--json", type=pathlib.Path, default=None, help="write the figures there, too")
    chosen = parser.parse_args()
    if chosen.rounds < 1 or chosen.seconds < 1 or chosen.pages < 1:
        parser.error("at least one round, one second and one page")
    return chosen


class Unproved(Exception):
    """A run that shows nothing."""


class Streams:
    """Pages as the members see them: a stream of events from each member for each page."""

    def __init__(self, cluster, pages):
        self.files = []
        self.processes = []
        for _ in range(pages):
            for address in cluster.http:
                file = tempfile.TemporaryFile()
                self.files.append(file)
                self.processes.append(subprocess.Popen(["curl", "--silent", "--no-buffer", f"http://{address}/v1/events"], stdout=file))
        self.wait(lambda sizes: all(sizes), "every stream has begun")

    def sizes(self):
        return [file.seek(0, 2) for file in self.files]

    def wait(self, condition, what):
        end = time.monotonic() + 10
        while not condition(self.sizes()):
            if time.monotonic() > end:
                raise Unproved(f"not within 10 s: {what}")
            time.sleep(0.02)

    def proof(self):
        """What to compare before and after a run."""
        return self.sizes()

    def check(self, before):
        if any(process.poll() is not None for process in self.processes):
            raise Unproved("a stream ended")
        if any(now <= then for now, then in zip(self.sizes(), before)):
            raise Unproved("a stream brought nothing")

    def close(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        for file in self.files:
            file.close()


class Browser:
    """Real pages."""

    def __init__(self, cluster, pages):
        import shutil
        from playwright.sync_api import sync_playwright
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit("bench-pages: there is no chromium here")
        self.playwright = sync_playwright().start()
        self.browser = self.playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        self.pages = []
        for number in range(pages):
            page = self.browser.new_page()
            page.goto(f"http://{cluster.http[number % len(cluster.http)]}/")
            page.wait_for_function("() => document.querySelector('#summary').textContent.includes('leads in term')", timeout=20_000)
            self.pages.append(page)

    def proof(self):
        return None

    def check(self, _):
        for page in self.pages:
            if "leads in term" not in page.inner_text("#summary"):
                raise Unproved("a page shows no leader")

    def close(self):
        self.browser.close()
        self.playwright.stop()


class Machine:
    """The cluster, and the bench that loads it."""

    def __init__(self, cluster, options):
        self.cluster = cluster
        self.options = options

    def leader(self):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for address in self.cluster.http:
                try:
                    with urllib.request.urlopen(f"http://{address}/v1/cluster/status", timeout=2) as answer:
                        status = json.load(answer)
                except OSError:
                    continue
                if status["role"] == "LEADER":
                    return status["name"], status["term"]
            time.sleep(0.1)
        raise Unproved("nobody leads")

    def bench(self, seconds):
        """Operations a second."""
        done = subprocess.run(
            [str(self.cluster.binaries / "swiftwater"), "--output", "json", "--endpoints", ",".join(self.cluster.endpoints), "bench",
             "--clients", str(self.options.clients), "--inflight", str(self.options.inflight), "--reads", str(self.options.reads),
             "--seconds", str(seconds)], capture_output=True, text=True, timeout=seconds + 60)
        if done.returncode != 0:
            raise Unproved(f"the bench ended with {done.returncode}: {done.stderr}{done.stdout}")
        report = json.loads(done.stdout)
        if report["errors"]:
            raise Unproved(f"the bench had errors: {report['errors_by_kind']}")
        return report["ops_per_second"]

    def once(self, with_pages):
        before = self.leader()
        watchers = (Browser if self.options.browser else Streams)(self.cluster, self.options.pages) if with_pages else None
        try:
            proof = watchers.proof() if watchers else None
            rate = self.bench(self.options.seconds)
            if watchers:
                watchers.check(proof)
        finally:
            if watchers:
                watchers.close()
        if self.leader() != before:
            raise Unproved("the leader changed")
        return rate

    def run(self, with_pages):
        for _ in range(3):
            try:
                return self.once(with_pages)
            except Unproved as problem:
                print(f"  a run is repeated: {problem}", flush=True)
        sys.exit("bench-pages: three times in a row a run proved nothing")


def main(options):
    with HTTPCluster(options.binaries) as cluster:
        machine = Machine(cluster, options)
        machine.leader()
        machine.bench(2)
        ratios, plain, watched = [], [], []
        for number in range(options.rounds):
            order = [False, True] if number % 2 == 0 else [True, False]
            rates = {with_pages: machine.run(with_pages) for with_pages in order}
            plain.append(rates[False])
            watched.append(rates[True])
            ratios.append(rates[True] / rates[False])
            print(f"  {number + 1}: {rates[False]:10,.0f} without, {rates[True]:10,.0f} with {options.pages} pages: {ratios[-1]:.3f}", flush=True)
    median = statistics.median(ratios)
    cost = 100 * (1 - median)
    kind = "pages in Chromium" if options.browser else "pages (streams of events from every member)"
    print(f"\n{options.clients} x {options.inflight}, {options.reads:.0%} reads: median {statistics.median(plain):,.0f} operations a second without, "
          f"{statistics.median(watched):,.0f} with {options.pages} {kind}")
    print(f"median of {len(ratios)} ratios {median:.3f} (from {min(ratios):.3f} to {max(ratios):.3f}): they cost {cost:.1f} %, and may cost {options.most:g} %")
    if options.json:
        options.json.write_text(json.dumps({"ratios": ratios, "median": median, "without": plain, "with": watched, "pages": options.pages,
                                            "browser": options.browser}, indent=1) + "\n")
    return 0 if cost <= options.most else 1


if __name__ == "__main__":
    sys.exit(main(arguments()))
