"""`swiftwater lab` on real members that `swiftwater up` started: `lab.py DIRECTORY-OF-THE-PROGRAMS`."""

import sys

import httpx
from expect import equal, eventually, true
from runner import Runner
from up import UpCluster, is_running, wait_until_gone


def one_write(cluster, name, key="k", timeout="1s"):
    """How a write through this member alone ends."""
    endpoint = cluster.endpoints[cluster.names.index(name)]
    return cluster.run("--endpoints", endpoint, "--timeout", timeout, "set", key, "v")[0]


def mend(cluster):
    """Whole again, whatever a check left behind."""
    for process in cluster.lab("show", "--data-dir", str(cluster.directory))["processes"]:
        if process["state"] != "running":
            cluster.of_process("restart", process["name"])
    cluster.lab("heal")
    leader = cluster.leader()
    eventually(lambda: all(member.get("leader") == leader for member in cluster.status().values()), "all follow")


def check_a_partition_has_two_sides_and_one_that_works(cluster):
    leader = cluster.leader()
    minority = [leader, next(name for name in cluster.names if name != leader)]
    majority = [name for name in cluster.names if name not in minority]
    answer = cluster.lab("partition", ",".join(majority), "/", ",".join(minority))
    equal((answer["sides"], answer["silent"]), ([majority, minority], []))
    eventually(lambda: cluster.status()[leader]["role"] != "leader", "the old leader steps down")
    eventually(lambda: any(cluster.status()[name]["role"] == "leader" for name in majority), "the majority elects")
    equal([one_write(cluster, name) for name in majority], [0, 0, 0])
    # Nobody there leads: certain that nothing was done, and no answer in time.
    equal([one_write(cluster, name) for name in minority], [3, 3])
    shown = {member["name"]: sorted(link["peer"] for link in member["links"] if link["drop_to"] and link["drop_from"])
             for member in cluster.lab("show")["members"]}
    equal(shown, {name: sorted(minority if name in majority else majority) for name in cluster.names})
    equal(cluster.lab("heal")["healed"], cluster.names)
    eventually(lambda: one_write(cluster, leader) == 0, "the minority is let in again")
    equal([member["links"] for member in cluster.lab("show")["members"]], [[]] * 5)


def check_members_that_are_not_named_are_one_more_side(cluster):
    equal(cluster.lab("partition", "n5")["sides"], [["n5"], ["n1", "n2", "n3", "n4"]])
    code, out, _ = cluster.run("lab", "partition", "n1,n2", "/", "n3,n4,n5")
    equal((code, out.splitlines()[0]), (0, "n1, n2 and n3, n4, n5 do not hear each other."))
    true("swiftwater lab heal" in out, out)
    code, out, _ = cluster.run("lab", "show")
    true("n1: cut off from n5" in out and "n1: cut off from n2" not in out, "a partition takes the place of the one before")
    cluster.lab("heal")
    code, _, errors = cluster.run("lab", "partition", "n1,n2,n3,n4,n5")
    true(code == 2 and "all members are on one side" in errors, errors)
    code, _, errors = cluster.run("lab", "partition", "n1,n9")
    true(code == 2 and "there is no member 'n9'\nthere are n1, n2, n3, n4, n5" in errors, errors)
    equal([member["links"] for member in cluster.lab("show")["members"]], [[]] * 5)


def check_a_stopped_leader_is_replaced_and_comes_back(cluster):
    old = cluster.leader()
    term = cluster.status()[old]["term"]
    number = cluster.process_ids()[old]
    true("is stopped" in cluster.of_process("stop", old)["answer"], "it says so")
    wait_until_gone([number])
    new = cluster.leader()
    true(new != old and cluster.status()[new]["term"] > term, "another leads in a newer term")
    true(cluster.process.poll() is None, "up goes on")
    code, out, _ = cluster.run("lab", "show", "--data-dir", str(cluster.directory))
    true(f"{old} does not answer: it is stopped" in out, out)
    code, _, errors = cluster.run("lab", "freeze", old, "--data-dir", str(cluster.directory))
    equal((code, errors), (2, f"{old} does not run; it can be restarted\n"))
    cluster.of_process("restart", old)
    eventually(lambda: cluster.status()[old].get("role") == "follower", "it follows")
    true(cluster.process_ids()[old] != number, "it is a new process")


def check_a_member_that_is_stopped_gently_hands_over_first(cluster):
    old = cluster.leader()
    log = cluster.directory / f"{old}.log"
    before = len(log.read_text())
    cluster.of_process("stop", "--gently", old)
    true(cluster.leader() != old, "another leads")
    true("handing leadership to" in log.read_text()[before:], log.read_text()[before:])
    cluster.of_process("restart", old)
    eventually(lambda: cluster.status()[old].get("role") == "follower", "it follows")


def check_a_frozen_leader_is_replaced_and_learns_of_it(cluster):
    old = cluster.leader()
    true("frozen" in cluster.of_process("freeze", old)["answer"], "it says so")
    processes = {process["name"]: process["state"] for process in cluster.lab("show", "--data-dir", str(cluster.directory))["processes"]}
    equal(processes, {name: "frozen" if name == old else "running" for name in cluster.names})
    true(cluster.leader() != old, "another leads")
    equal(cluster.of_process("resume")["resumed"], [old])
    eventually(lambda: cluster.status()[old].get("role") == "follower", "it follows")
    equal(cluster.of_process("resume")["resumed"], [])
    cluster.of_process("freeze", old)
    true("runs again" in cluster.of_process("restart", old)["answer"], "a frozen one is restarted, too")
    eventually(lambda: cluster.status()[old].get("role") == "follower", "it follows")


def check_a_follower_whose_timer_runs_out_changes_nothing_while_its_leader_is_heard(cluster):
    leader = cluster.leader()
    follower = next(name for name in cluster.names if name != leader)
    answer = cluster.lab("timeout", follower)
    equal((answer["term_after"], answer["leader_after"]), (answer["term_before"], leader))
    code, out, _ = cluster.run("lab", "timeout", follower)
    true("refuse even the pre-vote" in out, out)
    code, _, errors = cluster.run("lab", "timeout", leader)
    true(code == 2 and leader in errors, errors)


def check_orders_to_drop_stand_until_they_are_used_up(cluster):
    leader = cluster.leader()
    follower = next(name for name in cluster.names if name != leader)
    answer = cluster.lab("drop", "--from", leader, "--to", follower, "--count", "2", "AppendEntries")
    equal((answer["from"], answer["to"], answer["count"]), ([leader], follower, 2))

    def drops():
        return {member["name"]: member["drops"] for member in cluster.lab("show")["members"]}
    equal(drops()[leader], [{"message": "AppendEntries", "peer": follower, "count": 2}])
    equal(one_write(cluster, leader), 0)
    eventually(lambda: one_write(cluster, leader) == 0 and drops()[leader] == [], "they are used up")
    equal(len(cluster.lab("drop", "TimeoutNow")["from"]), 5)
    cluster.lab("heal")
    equal(drops(), {name: [] for name in cluster.names})
    code, _, errors = cluster.run("lab", "drop", "--from", "n1", "--to", "n1", "Heartbeat")
    true(code == 2 and "itself" in errors, errors)


def check_a_vote_is_split_or_won_and_it_is_told_which(cluster):
    old = cluster.leader()
    answer = cluster.lab("split-vote")
    equal(answer["leader_before"], old)
    true(answer["term_after"] > answer["term_before"] and answer["leader_after"] not in ("", old), f"{answer}")
    equal(answer["terms_without_leader"], answer["term_after"] - answer["term_before"] - 1)
    cluster.lab("heal")
    eventually(lambda: cluster.status()[old]["role"] == "follower", "the old leader follows")


def check_the_pages_of_other_members_can_do_it_too(cluster):
    leader = cluster.leader()
    asked = cluster.http[(cluster.names.index(leader) + 1) % 5]
    listed = httpx.get(f"http://{asked}/v1/process/list").json()["processes"]
    equal({process["name"]: process["id"] for process in listed}, cluster.process_ids())
    answer = httpx.post(f"http://{asked}/v1/process/stop", json={"name": leader}, timeout=10)
    equal((answer.status_code, answer.json()), (200, {"message": f"{leader} is stopped"}))
    equal(httpx.post(f"http://{asked}/v1/process/freeze", json={"name": leader}, timeout=10).status_code, 409)
    equal(httpx.post(f"http://{asked}/v1/process/stop", json={"name": "n9"}, timeout=10).status_code, 409)
    foreign = httpx.post(f"http://{asked}/v1/process/stop", json={"name": "n1"}, headers={"Origin": "http://example.com"}, timeout=10)
    equal(foreign.status_code, 403)
    equal(httpx.post(f"http://{asked}/v1/process/restart", json={"name": leader}, timeout=10).status_code, 200)
    eventually(lambda: cluster.status()[leader].get("role") == "follower", "it follows")


def check_all_members_may_stop_and_up_waits_for_them(cluster):
    for name in cluster.names:
        cluster.of_process("stop", name)
    code, _, errors = cluster.run("--timeout", "1s", "lab", "heal")
    true(code == 3 and "no member answers" in errors, errors)
    true(cluster.process.poll() is None, "up goes on")
    for name in cluster.names:
        cluster.of_process("restart", name)
    cluster.leader()


def check_ctrl_c_ends_frozen_members_too_and_the_control_is_gone(cluster):
    cluster.of_process("freeze", "n2")
    numbers = list(cluster.process_ids().values())
    true(len(numbers) == 5 and all(is_running(number) for number in numbers), "all run")
    equal(cluster.stop(), 0)
    wait_until_gone(numbers, 1)
    code, _, errors = cluster.run("lab", "stop", "n1", "--data-dir", str(cluster.directory))
    true(code == 2 and "no `swiftwater up` runs in" in errors and "--data-dir" in errors, errors)


def a_cluster_without_the_switch_says_how_to_get_it(binaries):
    with UpCluster(binaries, nodes=1, faults=False) as cluster:
        for words in [["partition", "n1"], ["show"], ["heal"], ["timeout", "n1"]]:
            code, _, errors = cluster.run("lab", *words)
            wanted = "all members are on one side" if words[0] == "partition" else "without --enable-faults"
            true(code == 2 and wanted in errors, f"{words}: {errors}")
        cluster.of_process("stop", "n1")
        true("runs again" in cluster.of_process("restart", "n1")["answer"], "processes need no switch")


def main(binaries):
    runner = Runner()
    with UpCluster(binaries, nodes=5) as cluster:
        for name, check in [(name, value) for name, value in globals().items() if name.startswith("check_")]:
            if not runner.check(name.removeprefix("check_").replace("_", " "), check, cluster) and cluster.process.poll() is None:
                mend(cluster)
    runner.check("a cluster without the switch says how to get it", a_cluster_without_the_switch_says_how_to_get_it, binaries)
    return runner.finish()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: lab.py DIRECTORY-OF-THE-PROGRAMS")
    sys.exit(main(sys.argv[1]))
