"""The dashboard in real headless Chromium: `page.py DIRECTORY-OF-THE-PROGRAMS [DIRECTORY-FOR-SCREENSHOTS]`."""

import pathlib
import re
import shutil
import subprocess
import sys
import time

import checks_http
from checks_http import equal, true
from checks_http_quorum import leader_of
from http_api import HTTPCluster
from playwright.sync_api import sync_playwright
from runner import Runner

# What Chromium says about a member that is gone, or that refuses what it was asked on purpose, is no fault of the page's.
NETWORK = re.compile(r"Failed to load resource: (net::ERR|the server responded with a status of (409|501|503))|ERR_(CONNECTION|INCOMPLETE|EMPTY)")
NASTY = ["\"quoted\" 'twice'", "<img src=x onerror=alert(1)>", "</script><b>", "a\\b", "\u2028\u202e", "🦦", "{{x}}", "__proto__"]


class FaultyCluster(HTTPCluster):
    """Members that may be disturbed on purpose."""

    def arguments(self, i):
        return super().arguments(i) + ["--enable-faults"]

    def join(self, through):
        """A fourth member, which asks to be added."""
        arguments = [self.arguments(0)[0], "--name", "n4", "--data-dir", str(self.directory / "n4"), "--listen", self.spare[0],
                     "--join", self.endpoints[through], "--http", self.spare[1]]
        with open(self.directory / "n4.log", "ab") as log:
            return subprocess.Popen(arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


class Page:
    def __init__(self, browser, member, scheme="light", width=1280, height=900):
        self.page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and not NETWORK.search(message.text) and self.errors.append(message.text))
        self.wanted_dialogs = 0
        self.page.on("dialog", self.dialog)
        self.page.goto(f"http://{member.address}/")

    def dialog(self, dialog):
        if self.wanted_dialogs == 0:
            self.errors.append(f"a dialog: {dialog.message}")
        self.wanted_dialogs -= 1
        dialog.accept()

    def view(self, name):
        self.page.click(f"nav a[href='#{name}']")

    def text(self, selector):
        return self.page.inner_text(selector)

    def until(self, condition, what, seconds=10):
        """As `eventually`, while the page goes on. `what` may be a function that tells how far it came."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() >= end:
                raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
            self.page.wait_for_timeout(20)

    def roles(self):
        return self.page.evaluate("() => Object.fromEntries([...document.querySelectorAll('#members tbody tr')].map("
                                  "(row) => [row.children[0].textContent, row.children[1].textContent]))")

    def logs(self):
        """The last index of each member, as the table says it; 0 where it says nothing."""
        cells = self.page.locator("#members tbody tr td:nth-child(4)").all_text_contents()
        return [int(cell.replace(",", "").replace("–", "0")) for cell in cells]

    def command(self, command, key=None, value=None):
        self.page.select_option("#command [name=command]", command)
        if key is not None:
            self.page.fill("#command [name=key]", key)
        if value is not None:
            self.page.fill("#command [name=value]", value)
        self.page.click("#command button")


def check_it_shows_the_leader(page, cluster, members):
    name = f"n{leader_of(members) + 1}"
    page.until(lambda: page.roles().get(name) == "★ leader", "the table names the leader")
    page.until(lambda: f"{name} leads in term" in page.text("#summary"), "and so does the head")
    page.until(lambda: len(page.roles()) == 3, "all members are there")
    equal(page.page.locator("#ring .member").count(), 3)
    page.until(lambda: page.page.locator("#ring .flight[visibility=visible]").count() > 0, "heartbeats fly")
    page.until(lambda: page.page.locator("#members td", has_text="ms").count() >= 4, "round trips and last words are shown")


def check_leadership_is_handed_over_by_a_button(page, cluster, members):
    target = (leader_of(members) + 1) % 3
    page.page.locator("#members tbody tr", has_text=f"n{target + 1}").get_by_role("button").click()
    page.until(lambda: page.roles().get(f"n{target + 1}") == "★ leader", "the other leads")
    page.until(lambda: "leads term" in page.text("#happened"), "what happened is told")


def check_keys_are_browsed_and_changed(page, cluster, members):
    page.view("keys")
    for place, nasty in enumerate(NASTY):
        key = f"page/{place}/{nasty}"
        page.page.fill("#key-form [name=key]", key)
        page.page.fill("#key-form [name=value]", nasty)
        page.page.check("#key-form [value=data]")
        page.page.click("#key-form [value=set]")
        page.until(lambda: "Set, in revision" in page.text("#key-note"), f"{key} is set")
        equal(members[1].v1("kv/get", {"key": key}).json()["value"], {"data": nasty})
        page.page.fill("#key-form [name=value]", "+")
        page.page.click("#key-form [value=append]")
        page.until(lambda: page.page.input_value("#key-form [name=value]") == nasty + "+", "append shows the whole")
    page.page.fill("#browse [name=prefix]", "page/")
    page.page.click("#browse button")
    page.until(lambda: page.page.locator("#keys button").all_inner_texts() is not None and page.page.locator("#keys button").count() == len(NASTY), "all keys are listed")
    page.page.locator("#keys button").first.click()
    page.until(lambda: "Revision" in page.text("#key-note"), "a key is read")
    page.page.check("#key-form [value=list]")
    page.page.fill("#key-form [name=key]", "page/list")
    page.page.fill("#key-form [name=value]", "cat\ndog")
    page.page.click("#key-form [value=set]")
    page.until(lambda: members[0].v1("kv/get", {"key": "page/list"}).json().get("value") == {"list": ["cat", "dog"]}, "a list is set")
    page.page.click("#key-form [value=delete]")
    page.until(lambda: "value" not in members[0].v1("kv/get", {"key": "page/list"}).json(), "and deleted")


def check_the_console_runs_each_command(page, cluster, members):
    page.view("console")
    page.page.select_option("#command [name=member]", "n2")
    nasty = NASTY[1]
    commands = [("ping", None, None, "PONG"), ("set", "c", nasty, "OK"), ("get", "c", None, nasty), ("strln", "c", None, str(len(nasty))),
                ("append", "c", "!", "OK, length"), ("del", "c", None, nasty + "!"), ("get", "c", None, "(nil)"), ("set list", "l", "cat dog", "OK"),
                ("append item", "l", "a mouse", "OK, 3 items"), ("get", "l", None, '["cat","dog","a mouse"]'), ("append", "l", "x", "holds a list"),
                ("keys", "l", None, "l"), ("request_log", None, None, "entries, below")]
    for command, key, value, _ in commands:
        page.command(command, key, value)
    page.command("ping")
    page.page.get_by_role("button", name="Remove ping").last.click()
    equal(page.page.locator("#queue li").count(), len(commands))
    page.page.click("#submit")
    page.until(lambda: page.page.locator("#queue pre").count() == len(commands), "each has its answer")
    answers = page.page.locator("#queue pre").all_text_contents()
    for (command, *_, wanted), answer in zip(commands, answers):
        true(wanted.replace('"', '\\"') in answer or wanted in answer, f"{command}: {answer}")
    page.until(lambda: page.page.locator("#log-result tbody tr").count() > 5, "the log is a table")
    page.page.click("#clear")
    revision = members[0].get("/v1/cluster/status").json()["revision"]
    for value in ["1", "2"]:
        page.command("append", "t", value)
    page.command("get", "t")
    page.page.click("#transact")
    page.until(lambda: page.page.locator("#queue pre").all_text_contents() == ["OK, length 1", "OK, length 2", '"12"'], "a transaction answers one by one")
    equal(members[0].v1("kv/get", {"key": "t"}).json(), {"value": {"data": "12"}, "revision": revision + 1})
    page.page.click("#clear")
    page.command("set", "never", "x")
    page.command("append", "l", "x")
    page.page.click("#transact")
    page.until(lambda: page.page.locator("#queue pre").count() == 2, "a transaction that cannot be done answers, too")
    true(all("holds a list" in answer for answer in page.page.locator("#queue pre").all_text_contents()), "each line says why")
    true("value" not in members[0].v1("kv/get", {"key": "never"}).json(), "all of it, or nothing")


def check_the_logs_stand_side_by_side(page, cluster, members):
    page.view("log")
    last = members[0].get("/v1/cluster/status").json()["last_log_index"]
    for name in ["n1", "n2", "n3"]:
        page.until(lambda: page.page.locator(f"[data-entry={name}-{last}]:not(.open)").count() == 1, f"{name} has committed {last}")
    page.page.locator(f"[data-entry=n3-{last}]").click()
    page.until(lambda: "append l x" in page.text("#entry"), "an entry opens")


def check_time_goes_back_and_forth(page, cluster, members):
    page.view("cluster")
    members[0].v1("kv/set", {"key": "before", "value": {"data": "x"}})
    before = members[0].get("/v1/cluster/status").json()["last_log_index"]
    page.until(lambda: set(page.logs()) == {before}, "now is shown")
    page.page.wait_for_timeout(600)
    page.page.click("#pause")
    members[0].v1("kv/set", {"key": "after", "value": {"data": "x"}})
    page.page.wait_for_timeout(1_000)
    true("s ago" in page.text("#shown"), "it says that it shows then")
    equal(page.logs(), [before] * 3)
    page.page.evaluate("() => { const m = document.querySelector('#moment'); m.value = 100; m.dispatchEvent(new Event('input')); }")
    page.page.wait_for_timeout(300)
    true(max(page.logs()) < before, f"long ago the logs were shorter: {page.logs()}, then {before}")
    page.page.select_option("#speed", "0.25")
    page.page.click("#pause")
    shown = page.text("#shown")
    page.page.wait_for_timeout(500)
    true(page.text("#shown") != shown, "it plays")
    page.page.click("#now")
    page.until(lambda: page.logs() == [before + 1] * 3, "and now is now")
    equal(page.text("#shown"), "Showing now")


def check_a_partition_made_on_the_page_shows_in_the_members_status(page, cluster, members):
    page.view("lab")
    page.until(lambda: "Faults are allowed here" in page.text("#lab-note"), "the switch is on")
    old = leader_of(members)
    page.page.focus(f"[data-member=n{old + 1}]")
    page.page.keyboard.press("ArrowRight")
    equal(page.page.evaluate("() => [...document.querySelectorAll('[data-side=B] .token')].map((token) => token.dataset.member)"), [f"n{old + 1}"])
    equal(page.page.evaluate("() => document.activeElement.dataset.member"), f"n{old + 1}")
    page.until(lambda: page.page.locator("#cuts li", has_text="do not hear each other").count() == 2, "the cuts are listed")
    page.until(lambda: not members[old].get("/admin/status").json()["has_quorum"], "the old leader has stepped down")
    rest = [member for i, member in enumerate(members) if i != old]
    leader_of(rest)
    equal(members[old].v1("kv/set", {"key": "x", "value": {"data": "x"}}).status_code, 503)
    page.view("cluster")
    page.until(lambda: page.page.locator("#ring .cutlink").count() == 2, "the ring shows them")
    page.until(lambda: list(page.roles().values()).count("★ leader") == 1 and page.roles().get(f"n{old + 1}") != "★ leader", "and who leads now")
    page.page.screenshot(path=str(page.directory / "partition.png"))
    page.view("lab")
    page.page.click("#heal")
    page.until(lambda: "All links are whole" in page.text("#cuts"), "healed")
    page.until(lambda: page.page.locator("[data-side=B] .token").count() == 0, "and nobody stands apart")
    page.until(lambda: members[old].get("/admin/status").json()["has_quorum"], "and whole again")


def check_a_split_vote_is_forced_and_overcome(page, cluster, members):
    page.view("lab")
    term = members[0].get("/v1/cluster/status").json()["term"]
    page.page.locator("summary", has_text="Force a split vote").click()
    page.page.get_by_role("button", name="Split the vote").click()
    page.until(lambda: max(member.get("/v1/cluster/status").json()["term"] for member in members) > term, "a new term")
    page.page.click("#heal")
    page.until(lambda: all(member.get("/readyz").status_code == 200 for member in members), "a leader for all")


def check_a_member_joins_and_is_removed(page, cluster, members):
    page.view("members")
    page.until(lambda: page.page.locator("#configuration tbody tr").count() == 3, "three members")
    process = cluster.join(leader_of(members))
    try:
        page.until(lambda: page.page.locator("#configuration tbody tr").count() == 4, "the fourth is there", 20)
        row = page.page.locator("#configuration tbody tr", has_text="n4")
        page.until(lambda: "yes" in row.locator("td").nth(2).inner_text(), "and votes", 20)
        page.wanted_dialogs = 1
        row.get_by_role("button").click()
        page.until(lambda: page.page.locator("#configuration tbody tr").count() == 3, "and is gone", 20)
        page.until(lambda: "Done" in page.text("#members-note"), "the page says so")
    finally:
        process.terminate()
        process.wait(6)
    page.page.fill("#add-member [name=name]", "n9")
    page.page.fill("#add-member [name=address]", "127.0.0.1:1")
    page.page.click("#add-member button")
    page.until(lambda: "no member answers at 127.0.0.1:1" in page.text("#members-note"), "nobody is there to be added")


def check_it_works_with_the_keyboard_alone(page, cluster, members):
    page.page.keyboard.press("Tab")
    for view in ["log", "keys", "console", "cluster"]:
        page.page.focus(f"nav a[href='#{view}']")
        page.page.keyboard.press("Enter")
        page.until(lambda: page.page.locator(f"#view-{view}").is_visible(), f"{view} is shown")
    page.page.focus("#pause")
    page.page.keyboard.press("Space")
    page.until(lambda: "s ago" in page.text("#shown"), "paused")
    page.page.keyboard.press("Space")
    page.page.focus("#now")
    page.page.keyboard.press("Enter")
    page.until(lambda: page.text("#shown") == "Showing now", "now again")


def check_it_follows_the_cluster_when_its_own_member_is_killed(page, cluster, members):
    answers = []

    def own_member_leads():
        if page.roles().get("n1") == "★ leader":
            return True
        leader = leader_of(members)
        if leader != 0:
            answers.append(members[leader].v1("cluster/transfer-leadership", {"name": "n1"}).json())
        return False
    page.until(own_member_leads, lambda: f"the page's own member leads: {page.roles()}, {leader_of(members)}, {answers[-5:]}")
    cluster.processes[0].kill()
    cluster.processes[0].wait()
    rest = members[1:]
    elected = 1 + leader_of(rest)
    seen = time.monotonic()
    page.until(lambda: page.roles().get(f"n{elected + 1}") == "★ leader", "the new leader is shown within a second", 1)
    print(f"      the new leader stood on the page {time.monotonic() - seen:.2f} s after it was known")
    page.until(lambda: page.roles().get("n1") == "unreachable", "the dead one is grey", 2)
    page.until(lambda: "2 of 3 members answer" in page.text("#summary"), lambda: page.text("#summary"))
    page.view("keys")
    page.page.fill("#key-form [name=key]", "still")
    page.page.click("#key-form [value=set]")
    page.until(lambda: "Set, in revision" in page.text("#key-note"), "the page still writes, through another member")
    page.view("cluster")
    cluster.restart(0)
    checks_http.wait_until_ready(members)
    page.until(lambda: page.roles().get("n1") == "follower", "it comes back", 5)


def screenshots(browser, cluster, members, directory):
    for tag, scheme, width, height in [("light", "light", 1280, 900), ("dark", "dark", 1280, 900), ("phone", "light", 390, 844)]:
        page = Page(browser, members[0], scheme, width, height)
        page.until(lambda: len(page.roles()) == 3, "the members are there")
        page.page.wait_for_timeout(2_500)
        for view in ["cluster", "log", "keys", "console", "lab", "members"]:
            page.view(view)
            if view == "console":
                page.command("get", "t")
                page.page.click("#submit")
            page.page.wait_for_timeout(800)
            overflow = page.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
            true(overflow <= 0, f"{view} is {overflow} px too wide at {width}")
            page.page.screenshot(path=str(directory / f"{view}-{tag}.png"))
        equal(page.errors, [])
        page.page.close()


def main(binaries, directory=None):
    directory = pathlib.Path(directory or "page-screenshots")
    directory.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit("there is no chromium here: scripts/setup installs it")
    runner = Runner()
    with FaultyCluster(binaries) as cluster, sync_playwright() as playwright:
        members = [checks_http.Member(address) for address in cluster.http]
        runner.check("the cluster gets a leader", checks_http.wait_until_ready, members)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = Page(browser, members[0])
        page.directory = directory
        for name, check in [(name, value) for name, value in globals().items() if name.startswith("check_")]:
            if not runner.check(name.removeprefix("check_").replace("_", " "), check, page, cluster, members):
                page.page.screenshot(path=str(directory / f"failed-{name}.png"))
        runner.check("screenshots of each view, light, dark and on a phone", screenshots, browser, cluster, members, directory)
        runner.check("no error in the browser's console", equal, page.errors, [])
        browser.close()
    return runner.finish()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: page.py DIRECTORY-OF-THE-PROGRAMS [DIRECTORY-FOR-SCREENSHOTS]")
    sys.exit(main(*sys.argv[1:]))
