"""The page's laboratory on members that `swiftwater up` started: processes, and members dragged apart:
`page_lab.py DIRECTORY-OF-THE-PROGRAMS [DIRECTORY-FOR-SCREENSHOTS]`."""

import os
import pathlib
import shutil
import signal
import sys

from expect import equal, true
from page import Page
from playwright.sync_api import sync_playwright
from runner import Runner
from up import UpCluster


# Every side on which n5 stands from now on, in order.
WATCH_N5 = """() => {
  const look = () => document.querySelector('[data-member=n5]').closest('[data-side]').dataset.side;
  window.sidesOfN5 = [look()];
  new MutationObserver(() => { if (look() !== window.sidesOfN5.at(-1)) window.sidesOfN5.push(look()); })
    .observe(document.querySelector('#field'), { childList: true, subtree: true });
}"""


class Address:
    """What `Page` wants to know of a member."""

    def __init__(self, address):
        self.address = address


def side(page, name):
    return page.page.evaluate("(name) => document.querySelector(`[data-member=${name}]`).closest('[data-side]').dataset.side", name)


def middle(page, selector):
    box = page.page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def cut_off_from(cluster, name):
    """Whom this member says that it neither tells nor hears anything."""
    states = {member["name"]: member for member in cluster.lab("show")["members"]}
    return sorted(link["peer"] for link in states[name]["links"] if link["drop_to"] and link["drop_from"])


def others(cluster, *names):
    return [name for name in cluster.names if name not in names]


def check_members_dragged_apart_by_mouse_hear_nothing_of_each_other(page, cluster):
    page.view("lab")
    page.until(lambda: "Faults are allowed here" in page.text("#lab-note"), "the switch is on")
    page.until(lambda: page.page.locator("#field .token").count() == 5, "five tokens")
    page.page.mouse.move(*middle(page, "[data-member=n4]"))
    page.page.mouse.down()
    page.page.mouse.move(*middle(page, "[data-side=B]"), steps=8)
    true(page.page.locator("[data-side=B].target").count() == 1, "where it would fall is shown")
    page.page.mouse.up()
    page.until(lambda: cut_off_from(cluster, "n4") == others(cluster, "n4"), "n4 is alone")
    equal(side(page, "n4"), "B")
    equal(cut_off_from(cluster, "n1"), ["n4"])
    # Dropped where no side is, it stays where it was.
    page.page.mouse.move(*middle(page, "[data-member=n5]"))
    page.page.mouse.down()
    page.page.mouse.move(5, 5, steps=8)
    page.page.mouse.up()
    equal(side(page, "n5"), "A")
    # A click sends it across.
    page.page.click("[data-member=n5]")
    page.until(lambda: cut_off_from(cluster, "n5") == ["n1", "n2", "n3"], "n5 has joined n4")
    equal(cut_off_from(cluster, "n4"), ["n1", "n2", "n3"])


def check_the_keyboard_brings_them_together_again(page, cluster):
    for name in ["n4", "n5"]:
        page.page.focus(f"[data-member={name}]")
        page.page.keyboard.press("ArrowLeft")
        equal(page.page.evaluate("() => document.activeElement.dataset.member"), name)
    page.until(lambda: all(cut_off_from(cluster, name) == [] for name in cluster.names), "all links are whole")
    # While nobody answers nothing can be moved, and the keyboard stays where it was.
    processes = cluster.process_ids().values()
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        page.until(lambda: "No member answers" in page.text("#lab-note"), "silence is told")
        page.page.keyboard.press("Enter")
        equal(side(page, "n5"), "A")
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
    page.until(lambda: "Faults are allowed here" in page.text("#lab-note"), "they answer again")
    equal(page.page.evaluate("() => document.activeElement.dataset.member"), "n5")
    page.page.keyboard.press("Enter")
    page.until(lambda: cut_off_from(cluster, "n5") == others(cluster, "n5"), "Enter sends it across")
    true("on side B" in page.page.get_attribute("[data-member=n5]", "aria-label"), "and a screen reader hears of it")
    page.page.click("#heal")
    page.until(lambda: side(page, "n5") == "A" and cut_off_from(cluster, "n5") == [], "healed")


def check_a_token_stays_where_it_was_put_whatever_older_answers_say(page, cluster):
    # A look at the members that is under way while a token is moved: its answers are held back until the order is done.
    held = []
    is_holding = True
    page.page.route("**/v1/fault/list", lambda route: held.append((route, route.fetch())) if is_holding else route.continue_())
    page.until(lambda: len(held) >= len(cluster.names), "a look is under way")
    page.page.focus("[data-member=n5]")
    page.page.keyboard.press("ArrowRight")
    page.until(lambda: cut_off_from(cluster, "n5") == others(cluster, "n5"), "n5 is alone")
    is_holding = False
    page.page.evaluate(WATCH_N5)
    for route, answer in held:
        route.fulfill(response=answer)
    page.page.wait_for_timeout(1_500)
    page.page.unroute("**/v1/fault/list")
    equal(page.page.evaluate("() => window.sidesOfN5"), ["B"])
    # The first member, too, and side B may hold all: a cut has no sides of its own.
    for name, sides in [("n1", ["B", "A", "A", "A", "B"]), ("n5", ["B", "A", "A", "A", "A"])]:
        page.page.locator(f"[data-member={name}]").press("Enter")
        page.until(lambda: [side(page, name) for name in cluster.names] == sides, f"{name} is sent across")
    page.until(lambda: cut_off_from(cluster, "n1") == others(cluster, "n1"), "n1 is alone")
    page.page.wait_for_timeout(1_500)
    equal([side(page, name) for name in cluster.names], ["B", "A", "A", "A", "A"])
    page.page.click("#heal")
    page.until(lambda: side(page, "n1") == "A" and cut_off_from(cluster, "n1") == [], "healed")


def check_the_field_shows_what_others_have_cut(page, cluster):
    cluster.lab("partition", "n1,n2,n3", "/", "n4,n5")
    page.until(lambda: [side(page, name) for name in cluster.names] == ["A", "A", "A", "B", "B"], "as the terminal made it")
    cluster.lab("heal")
    page.until(lambda: [side(page, name) for name in cluster.names] == ["A"] * 5, "and healed")


def check_a_member_is_stopped_and_started_from_the_page(page, cluster):
    old = cluster.leader()
    page.until(lambda: page.page.locator("#processes tbody tr").count() == 5, "five processes")
    row = page.page.locator("#processes tbody tr", has_text=old)
    number = cluster.process_ids()[old]
    equal(row.locator("td").first.inner_text(), f"running, {number}")
    page.page.get_by_role("button", name=f"Stop {old}").click()
    page.until(lambda: row.locator("td").first.inner_text() == "stopped", "it is stopped")
    true(cluster.leader() != old, "another leads")
    page.view("cluster")
    page.until(lambda: page.roles().get(old) == "unreachable", "the cluster's view shows it")
    page.view("lab")
    row.get_by_role("button", name="Start").click()
    page.until(lambda: row.locator("td").first.inner_text().startswith("running"), "it runs")
    true(cluster.process_ids()[old] != number, "as another process")
    page.until(lambda: cluster.status()[old].get("role") == "follower", "and follows")


def check_a_frozen_member_goes_on(page, cluster):
    name = next(name for name in cluster.names if name != cluster.leader())
    row = page.page.locator("#processes tbody tr", has_text=name)
    row.get_by_role("button", name="Freeze").click()
    page.until(lambda: row.locator("td").first.inner_text().startswith("frozen"), "it is frozen")
    row.get_by_role("button", name="Resume").click()
    page.until(lambda: row.locator("td").first.inner_text().startswith("running"), "it goes on")
    page.until(lambda: cluster.status()[name].get("role") == "follower", "and follows")


def check_the_experiments_stop_and_start_members(page, cluster):
    page.page.locator("summary", has_text="Stop a follower").click()
    open_one = page.page.locator("details[open]")
    for gone, button in enumerate(["Stop a follower", "Stop the leader"]):
        cluster.leader()
        page.until(lambda: not open_one.get_by_role("button", name=button).is_disabled(), "the button can be used")
        open_one.get_by_role("button", name=button).click()
        page.until(lambda: page.page.locator("#processes tbody tr.gone").count() == gone + 1, f"{gone + 1} are gone")
    true(cluster.leader(), "three of five still elect")
    open_one.get_by_role("button", name="Start all again").click()
    page.until(lambda: page.page.locator("#processes tbody tr.gone").count() == 0, "all run")
    page.until(lambda: all(member["reachable"] for member in cluster.status().values()), "and answer")


def check_the_last_member_that_runs_is_not_stopped_from_here(page, cluster):
    for name in cluster.names[1:]:
        cluster.of_process("stop", name)
    page.until(lambda: page.page.locator("#processes tbody tr.gone").count() == 4, "four are gone")
    true(page.page.get_by_role("button", name="Stop n1").is_disabled(), "the fifth cannot be stopped")
    for name in cluster.names[1:]:
        cluster.of_process("restart", name)
    cluster.leader()


def check_load_shows_how_long_answers_take(page, cluster):
    page.view("cluster")
    cluster.run("bench", "--clients", "4", "--inflight", "2", "--seconds", "2", "--reads", "0.5")
    chart = page.page.locator(".chart", has_text="Mean time to an answer")

    def shown():
        words = chart.locator("b").inner_text().split()
        return words if len(words) == 2 else None
    cluster.run("set", "k", "v")
    page.until(lambda: cluster.run("set", "k", "v")[0] == 0 and shown() is not None, "a mean time stands there")
    value, unit = shown()
    true(unit == "ms" and 0 < float(value) < 5_000, f"{value} {unit}")
    true(page.page.locator(".chart", has_text="Size of the snapshot").locator("b").inner_text() == "none yet", "there is no snapshot yet")


def on_a_phone(browser, cluster, directory):
    page = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).new_page()
    page.goto(f"http://{cluster.http[0]}/#lab")
    page.wait_for_function("() => document.querySelectorAll('#field .token').length === 5")
    page.wait_for_function("() => document.querySelector('#lab-note').textContent.includes('allowed')")
    # A finger that drags: as Chromium itself makes pointer events of it.
    session = page.context.new_cdp_session(page)
    page.locator("#field").scroll_into_view_if_needed()

    def centre(selector):
        box = page.locator(selector).bounding_box()
        return {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    start, end = centre("[data-member=n2]"), centre("[data-side=B]")
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [start]})
    for step in range(1, 9):
        point = {axis: start[axis] + (end[axis] - start[axis]) * step / 8 for axis in ("x", "y")}
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("() => document.querySelector('[data-side=B] [data-member=n2]')")
    page.wait_for_function("() => document.querySelectorAll('#cuts li').length === 4")
    equal(cut_off_from(cluster, "n2"), others(cluster, "n2"))
    page.screenshot(path=str(directory / "lab-phone-apart.png"))
    page.tap("[data-member=n2]")
    page.wait_for_function("() => document.querySelector('[data-side=A] [data-member=n2]')")
    page.wait_for_function("() => document.querySelector('#cuts').textContent.includes('All links are whole')")
    page.close()


def screenshots(browser, cluster, directory):
    for tag, scheme, width, height in [("light", "light", 1280, 1200), ("dark", "dark", 1280, 1200), ("phone", "light", 390, 844)]:
        page = Page(browser, Address(cluster.http[0]), scheme, width, height)
        page.until(lambda: len(page.roles()) == 5, "the members are there")
        page.view("lab")
        page.until(lambda: page.page.locator("#processes tbody tr").count() == 5, "five processes")
        page.page.click("[data-member=n5]")
        page.until(lambda: page.page.locator("#cuts li").count() == 4, "n5 is apart")
        page.page.wait_for_timeout(800)
        page.page.screenshot(path=str(directory / f"up-lab-{tag}.png"), full_page=True)
        overflow = page.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        true(overflow <= 0, f"it is {overflow} px too wide at {width}")
        page.page.click("#heal")
        page.until(lambda: page.page.locator("[data-side=B] .token").count() == 0, "healed")
        page.view("cluster")
        cluster.run("bench", "--clients", "4", "--inflight", "2", "--seconds", "3")
        page.page.screenshot(path=str(directory / f"up-cluster-{tag}.png"), full_page=True)
        equal(page.errors, [])
        page.page.close()


def main(binaries, directory=None):
    directory = pathlib.Path(directory or "page-screenshots")
    directory.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit("there is no chromium here: scripts/setup installs it")
    runner = Runner()
    with UpCluster(binaries, nodes=5) as cluster, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = Page(browser, Address(cluster.http[0]))
        for name, check in [(name, value) for name, value in globals().items() if name.startswith("check_")]:
            if not runner.check(name.removeprefix("check_").replace("_", " "), check, page, cluster):
                page.page.screenshot(path=str(directory / f"failed-{name}.png"))
        runner.check("a finger drags and taps", on_a_phone, browser, cluster, directory)
        runner.check("screenshots, light, dark and on a phone", screenshots, browser, cluster, directory)
        runner.check("no error in the browser's console", equal, page.errors, [])
        browser.close()
    return runner.finish()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: page_lab.py DIRECTORY-OF-THE-PROGRAMS [DIRECTORY-FOR-SCREENSHOTS]")
    sys.exit(main(*sys.argv[1:]))
