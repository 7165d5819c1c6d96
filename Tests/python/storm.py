#!/usr/bin/env python3
"""A real cluster in a storm: members are killed, frozen, cut off and robbed of their disks while clients write and read.

    storm.py BINARIES --minutes 10 [--members 5] [--seed N] [--clients 12] [--rate 40] [--directory DIR] [--keep]

Afterwards everything is healed, and then: a write succeeds soon, all members hold the same, every acknowledged write is
there, and the history of what the clients were told has an order in which it is right (`swiftwater check-history`).
Prints figures. Exit status 1 when anything is wrong; the data, the logs, the history and the timeline are kept then.

The seed decides which faults come in which order; what they meet, chance decides.
"""

import argparse
import pathlib
import random
import resource
import shutil
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from cluster import ROOT, free_ports, generate_stubs  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", help="where swiftwaterd and swiftwater are")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--members", type=int, default=5, choices=(3, 5, 7))
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--rate", type=float, default=40, help="operations a second of each client at most")
    parser.add_argument("--directory", type=pathlib.Path, default=None, help="where members keep their data: on a real disk")
    parser.add_argument("--keep", action="store_true", help="keep everything even when nothing is wrong")
    chosen = parser.parse_args()
    if chosen.minutes <= 0 or chosen.clients < 1 or chosen.rate <= 0:
        parser.error("minutes, clients and rate are positive")
    if chosen.seed is None:
        chosen.seed = random.SystemRandom().randrange(1 << 32)
    if chosen.directory is None:
        chosen.directory = ROOT / ".build" / "storms" / f"{chosen.seed}-{time.time_ns() // 1_000_000}"
    return chosen


def main():
    chosen = arguments()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Whoever ends the storm ends its members too, and gives the small disk back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    stubs = generate_stubs()
    from storm_faults import FailingSync, FullDisk, SlowDisk
    from storm_members import StormCluster, Timeline
    from storm_weather import SmallDisk, tracing_reason

    directory = chosen.directory.resolve()
    directory.mkdir(parents=True)
    timeline = Timeline(directory / "timeline.txt")
    print(f"storm: {chosen.members} members, {chosen.clients} clients, {chosen.minutes:g} minutes, seed {chosen.seed}, in {directory}", flush=True)
    # Far from where other clusters look first: a member that is down must find its port free when it comes back.
    endpoints = [f"127.0.0.1:{port}" for port in free_ports(chosen.members, skip=random.SystemRandom().randrange(3900))]
    cluster = StormCluster(chosen.binaries, directory, endpoints, timeline)
    disk = SmallDisk(cluster.members[-1], directory)
    without = set()
    if disk.reason:
        print(f"storm: no full disk: {disk.reason}", flush=True)
        without.add(FullDisk)
    if reason := tracing_reason():
        print(f"storm: no slow and failing syncs: {reason}", flush=True)
        without |= {SlowDisk, FailingSync}
    try:
        storm(chosen, directory, endpoints, cluster, timeline, without)
    finally:
        cluster.end()
        if chosen.keep or timeline.wrong or sys.exc_info()[0]:
            disk.keep(directory, cluster.members[-1].name)
        disk.end()
        del stubs
    if timeline.wrong:
        print(f"\nstorm: {len(timeline.wrong)} things are wrong; everything is kept in {directory}\n"
              f"storm: again: scripts/storm --minutes {chosen.minutes:g} --members {chosen.members} --seed {chosen.seed}")
        print(f"0 passed, {len(timeline.wrong)} failed")
        return 1
    if not chosen.keep:
        shutil.rmtree(directory, ignore_errors=True)
    print("1 passed, 0 failed")
    return 0


def storm(chosen, directory, endpoints, cluster, timeline, without):
    import storm_verdict
    from storm_load import Client, History
    from storm_weather import Weather

    seconds = chosen.minutes * 60
    for member in cluster.members:
        member.start()
    storm_verdict.first_write(cluster, timeline)
    history = History(directory / "history.jsonl")
    clients = [Client(number, endpoints, history, chosen.seed, chosen.rate) for number in range(chosen.clients)]
    for client in clients:
        client.start()
    weather = Weather(cluster, chosen.seed, seconds, without)
    began = time.monotonic()
    told = 0
    # When this much is wrong more of it tells nothing.
    while (passed := time.monotonic() - began) < seconds and len(timeline.wrong) < 5:
        weather.blow()
        if passed // 60 > told:
            told = passed // 60
            print(f"storm: {told:.0f} min: {history.lines} operations, {sum(timeline.counts.values())} faults, {storm_verdict.roles(cluster)}", flush=True)
        time.sleep(0.02)

    weather.end()
    timeline.note("calm")
    cluster.bring_back_all()
    written = storm_verdict.first_write(cluster, timeline)
    for client in clients:
        client.stopping.set()
    for client in clients:
        client.join(60)
        if client.is_alive() or client.failure:
            timeline.complain(f"{client.name} did not end in order: {client.failure}")
    same = storm_verdict.same_state(cluster, timeline)
    held = storm_verdict.agree(cluster, timeline)
    storm_verdict.nothing_lost(history, held, timeline)
    storm_verdict.record_final_reads(history, held)
    history.file.close()
    verdict = storm_verdict.check_history(chosen.binaries, directory / "history.jsonl", timeline)
    lines = storm_verdict.figures(history, cluster, timeline, seconds, weather.able)
    print(f"\nstorm: seed {chosen.seed}: {'WRONG' if timeline.wrong else 'ok'}")
    for line in lines:
        print(line)
    print(f"calm: a write after {written if written is None else round(written, 2)} s, all members the same after {same if same is None else round(same, 2)} s")
    print(f"held: {len(held)} keys, the same on {len(cluster.members)} members; {len(history.once)} single sets and "
          f"{sum(1 for items in history.items.values() for _, outcome in items if outcome == 'ok')} items acknowledged, all there"
          if not timeline.wrong else f"held: {len(held)} keys")
    print(f"history: {history.lines} lines: {verdict}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
