"""`swiftwater lab report`, all of it, on real members: what it claims, and that it leaves nothing behind:
`lab_report.py DIRECTORY-OF-THE-PROGRAMS`."""

import html.parser
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from expect import equal, eventually, true
from runner import Runner
from up import wait_until_gone


def members_of(directory):
    """The processes that keep their data somewhere in this directory."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if entry.name.isdigit() and words[0].endswith(b"swiftwaterd") and any(str(directory).encode() in word for word in words):
            found.append(int(entry.name))
    return found


class Laboratory:
    """Where a report is made: its output, and a directory for what it needs on its way."""

    def __init__(self, binaries, directory):
        self.program = str(pathlib.Path(binaries).resolve() / "swiftwater")
        self.out = directory / "out"
        self.temporary = directory / "tmp"
        self.temporary.mkdir()

    def start(self, *words):
        return subprocess.Popen([self.program, "lab", "report", "--out", str(self.out), *words], text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(self.temporary)})

    def is_clean(self):
        equal(members_of(self.temporary), [])
        equal(list(self.temporary.iterdir()), [])


class Tags(html.parser.HTMLParser):
    """Whether every element that is opened is closed, in order."""

    VOID = {"meta"}

    def __init__(self):
        super().__init__()
        self.open = []
        self.links = []
        self.ids = set()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.links += [attributes[name] for name in ("href", "src") if name in attributes]
        self.ids.add(attributes.get("id"))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        """One that ends where it begins."""

    def handle_endtag(self, tag):
        equal(self.open.pop(), tag)


def check_an_interrupt_ends_everything(laboratory, found):
    process = laboratory.start()
    eventually(lambda: len(members_of(laboratory.temporary)) == 5, "five members run", 20)
    numbers = members_of(laboratory.temporary)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    equal(process.returncode, 128 + signal.SIGINT)
    true("interrupted" in errors, errors)
    wait_until_gone(numbers, 1)
    laboratory.is_clean()


def check_it_finishes_within_three_minutes_and_leaves_nothing(laboratory, found):
    began = time.monotonic()
    out, errors = laboratory.start("--output", "json").communicate(timeout=180)
    found["seconds"] = time.monotonic() - began
    true(out.startswith("{"), f"no report: {errors}{out}")
    found["report"] = json.loads(out)
    laboratory.is_clean()
    print(f"      it took {found['seconds']:.0f} s")


def check_all_promises_were_kept_and_each_was_tried(laboratory, found):
    report = found["report"]
    true(report["sound"], report["verdict"])
    equal([experiment["number"] for experiment in report["experiments"]], ["1", "2", "3", "4a", "4b", "5"])
    texts = [claim["text"] for experiment in report["experiments"] for claim in experiment["claims"]]
    equal(sum(text.startswith("What was acknowledged is there") for text in texts), 5)
    true(any(text.startswith("No term had two leaders") for text in (claim["text"] for claim in report["claims"])), "one leader a term")
    for experiment in report["experiments"][1:5]:
        first = experiment["writers"][0]
        true(first["acknowledged"] > 50, f"{experiment['number']}: {first}")


def check_each_answer_says_what_was_measured(laboratory, found):
    answers = {experiment["number"]: " ".join(experiment["answer"]) for experiment in found["report"]["experiments"]}
    tables = {experiment["number"]: experiment["tables"] for experiment in found["report"]["experiments"]}
    rows = {row[0]: row for row in tables["1"][0]["rows"]}
    for step, entries in [("PUT a list", 1), ("APPEND an item", 1), ("GET", 0)]:
        before, after = (int(number) for number in rows[step][1].split(" → "))
        equal(after - before, entries)
    true(re.search(r"n\d led in term \d+|One after the other led", answers["1"]), answers["1"])
    true(re.search(r"no acknowledgement for [\d.]+ m?s: from", answers["2"]), answers["2"])
    true("election timer ran out" in answers["2"] and "was acknowledged by a cluster without" in answers["2"], answers["2"])
    stages = tables["3"][0]["rows"]
    equal([row[1] for row in stages], ["5", "4", "3", "2", "5"])
    equal([row[3] == "acknowledged" and row[4] == "answered" for row in stages], [True, True, True, False, True])
    equal([row[5] for row in stages], ["answered"] * 5)
    for number in ["4a", "4b"]:
        sides = tables[number][1]["rows"]
        equal([row[1] == "acknowledged" for row in sides], [True] * 3 + [False] * 2)
        equal([row[2] for row in sides], ["answered"] * 3 + ["refused"] * 2)
        statuses = tables[number][0]["rows"]
        equal(sum(row[2] == "leader" for row in statuses[:3]), 1)
        equal([row[2] == "leader" for row in statuses[3:]], [False, False])
        true(max(int(row[3]) for row in statuses[3:]) <= max(int(row[3]) for row in statuses[:3]), "the minority's terms do not run away")
    true("stepped down" in answers["4b"], answers["4b"])
    before, after, elsewhere = tables["5"][0]["rows"]
    true(before[3] == "no" and "e5/lost" in before[4], f"{before}")
    true(after[3] == "yes" and after[2:] == elsewhere[2:] and after[4] != before[4], f"{after} {elsewhere}")
    true("nowhere in the store" in answers["5"], answers["5"])


def check_the_page_and_the_text_say_the_same(laboratory, found):
    page = (laboratory.out / "report.html").read_text()
    text = (laboratory.out / "report.md").read_text()
    tags = Tags()
    tags.feed(page)
    equal(tags.open, [])
    true(all(link.startswith("#") and link[1:] in tags.ids for link in tags.links), f"it links to itself alone: {tags.links}")
    true(page.count("<figure>") == 6 and "<script" not in page, "a timeline for each experiment")
    for experiment in found["report"]["experiments"]:
        for answer in experiment["answer"]:
            true(answer in text, f"report.md lacks: {answer}")
            true(answer.replace("&", "&amp;").replace('"', "&quot;") in page, f"report.html lacks: {answer}")


def check_what_cannot_be_written_is_said_before_anything_runs(laboratory, found):
    blocked = laboratory.out.parent / "file"
    blocked.write_text("")
    laboratory.out = blocked
    began = time.monotonic()
    process = laboratory.start()
    _, errors = process.communicate(timeout=10)
    true(process.returncode == 2 and "--out" in errors and time.monotonic() - began < 5, errors)
    laboratory.is_clean()


def main(binaries):
    runner = Runner()
    found = {}
    with tempfile.TemporaryDirectory(prefix="swiftwater-report-") as directory:
        laboratory = Laboratory(binaries, pathlib.Path(directory))
        for name, check in [(name, value) for name, value in globals().items() if name.startswith("check_")]:
            runner.check(name.removeprefix("check_").replace("_", " "), check, laboratory, found)
    return runner.finish()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: lab_report.py DIRECTORY-OF-THE-PROGRAMS")
    sys.exit(main(sys.argv[1]))
