"""A leader that hangs: told from everything that only looks like it, handed on, killed where it is, and never taken for ready."""

from __future__ import annotations

import json

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks, read, summary
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation, Routed, State
from ansible_collections.horaedb.cluster.plugins.module_utils.health.stalls import ELECTION, Stalls
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import hung, hung_member, transfer
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.hung import Cure
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.hung_member import HungMember
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.transfer import TransferRefused, Wish
from ansible_collections.horaedb.cluster.plugins.module_utils.records import cures
from ansible_collections.horaedb.cluster.plugins.module_utils.verification import verify

LEADER_KEY = "/horaedb/members/leader"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Long enough for a loaded machine, and short enough for a test."""
    monkeypatch.setattr(read, "ROUTED_TIMEOUT", 0.4)
    monkeypatch.setattr(hung, "KEEPERS", 0.0)


def look(world, **more):
    return read.observe(world.topology, **more)


def states(world):
    return {member.host: member.state for member in look(world, nodes=()).members}


def named_by_key(world, host, lease=77):
    """The leader key, as HoraeMeta writes it: a protobuf message of name, id and URL."""
    url = world.topology.member(host).client_url.encode()
    value = b"\n\x05meta0\x10\xff\x9a\x80\x01\x1a" + bytes([len(url)]) + url
    world.put(LEADER_KEY, value.decode(errors="surrogateescape"))
    world.locks[LEADER_KEY] = lease


def test_a_leader_that_hangs_is_told_from_its_followers(world):
    """Breaks when a follower, which forwards to it and looks as dead, is taken for hung: it would be killed."""
    world.hangs = {"meta1"}
    assert states(world) == {"meta1": State.HUNG, "meta2": State.WELL, "meta3": State.WELL}


def test_a_member_that_hangs_and_leads_no_longer_is_still_seen(world):
    """It names itself for ever, and whoever is connected to it is cut off, with a healthy leader beside it."""
    world.hangs, world.leader = {"meta2"}, "meta1"
    seen = look(world)
    assert (seen.hung, seen.leader, seen.member("meta1").answers) == (("meta2",), "meta1", True)


@pytest.mark.parametrize(
    ("broken", "state"),
    [
        (lambda world: setattr(world.members["meta1"].api, "hang", True), State.DOWN),
        (lambda world: world.members["meta1"].api.stop(), State.DOWN),
        (lambda world: setattr(world.members["meta1"], "healthy", False), State.NO_QUORUM),
        (lambda world: setattr(world.members["meta1"], "learner", True), State.LEARNER),
        (lambda world: world.broken.update({"/api/v1/clusters": (500, {"status": "error", "error": "busy"})}), State.WELL),
    ],
)
def test_what_only_looks_like_it_is_something_else(world, broken, state):
    world.hangs = {"meta1"} if state is State.NO_QUORUM else set()
    broken(world)
    assert states(world)["meta1"] is state


def test_a_leader_that_answers_the_second_time_is_slow(world):
    questions = []
    original = world.members["meta1"].forwards_to

    def forwards_to():
        questions.append(1)
        world.hangs = {"meta1"} if len(questions) == 1 else set()
        return original()

    world.members["meta1"].forwards_to = forwards_to
    seen = look(world, nodes=(), cluster=False)
    assert seen.member("meta1").state is State.SLOW
    assert not checks.member_problems(world.topology, seen)


def test_a_leader_that_failed_the_question_is_not_ready(world):
    """Breaks when a wait takes a leader's name for its answer."""
    world.broken["/api/v1/clusters"] = (500, {"status": "error", "error": "busy"})
    assert "hasn't answered a question" in "; ".join(map(str, checks.member_problems(world.topology, look(world, nodes=()))))


@pytest.mark.parametrize("none", [[], None])
def test_a_leader_that_has_not_loaded_its_clusters_is_not_ready(world, none):
    """Breaks when a restarted only member, whose name is still the leadership of its process before, is given a data node, which dies of its answer."""
    world.broken["/api/v1/clusters"] = (200, {"status": "success", "data": none})
    assert "meta1 is named the leader and knows no cluster yet" in "; ".join(map(str, checks.member_problems(world.topology, look(world, nodes=()))))


def test_an_observation_keeps_it_on_its_way(world):
    world.hangs = {"meta1"}
    seen = look(world)
    again = Observation.from_dict(json.loads(json.dumps(seen.to_dict())))
    assert again.hung == ("meta1",)
    assert again.member("meta1").routed is Routed.SILENT
    assert again.lives


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize("names", ["meta2", ""])
def test_a_member_that_leads_etcd_alone_hangs_after_the_time_of_an_election(world, names):
    """Breaks when a deadlock of a member that stepped down is never seen: no leader, and everybody looks well."""
    world.leader, world.etcd_leader, clock = names, "meta3", Clock()
    stalls = Stalls(clock)
    for at, hangs in ((0, ()), (6, ()), (10, ()), (10.5, ("meta3",)), (20, ("meta3",))):
        clock.now = at
        assert stalls.note(look(world, nodes=(), cluster=False)).hung == hangs
    world.leader, world.etcd_leader = "meta3", ""
    assert stalls.note(look(world, nodes=(), cluster=False)).hung == ()


def test_an_election_that_goes_on_from_member_to_member_is_no_stall(world):
    clock = Clock()
    stalls = Stalls(clock)
    world.leader = "meta1"
    for at, leads in ((0, "meta2"), (8, "meta3"), (16, "meta2"), (24, "meta3")):
        clock.now, world.etcd_leader = at, leads
        assert stalls.note(look(world, nodes=(), cluster=False)).hung == ()


def test_the_gate_names_it_and_the_remedy(world):
    world.hangs = {"meta1"}
    problems = [str(problem) for problem in checks.problems(world.topology, look(world))]
    assert any("meta1" in problem and "systemctl kill --signal=SIGKILL horaemeta" in problem for problem in problems)
    assert not any(problem.startswith(("member meta2", "member meta3")) for problem in problems)


def test_status_shows_it_and_what_was_cured(world):
    for number in range(7):
        one = cures.Cured("name-meta2", "2026-11-27T10:00:0%dZ" % number, "it hung", 3.2)
        world.put(cures.key("defaultCluster", 1000 + number, "name-meta2"), one.to_json())
    world.put(cures.key("defaultCluster", 2000, "x"), "nonsense")
    world.hangs, world.leader = {"meta2"}, "meta1"
    lines = summary.lines(summary.summary(world.topology, look(world, identify=True)))
    assert any(line.startswith("member meta2") and "HANGS" in line for line in lines)
    assert [line for line in lines if line.startswith("cured")] == [
        "cured:  member name-meta2 was cured at 2026-11-27T10:00:0%dZ after 3.2 s: it hung" % number for number in range(2, 7)
    ]


def test_the_cures_are_read_with_the_record(world):
    look(world, identify=True)
    with_all = [call for call in world.etcd_calls if call == "/v3/kv/range"]
    world.etcd_calls.clear()
    look(world)
    assert len(with_all) == len([call for call in world.etcd_calls if call == "/v3/kv/range"]) == 1


@pytest.mark.parametrize("state", ["away", "moved"])
def test_a_leader_that_hangs_hands_over(world, state):
    world.hangs = {"meta1"}
    moved = Wish(world.topology, state, "meta1" if state == "away" else None, 2.0).fulfil(20.0)
    assert moved.after == "meta2"
    assert world.moves == [("meta1", "meta2")]


def test_a_move_whose_new_leader_hangs_goes_on_to_the_next(world):
    """Breaks when a move ends with a leader that never answered, or with the one that it was to leave."""
    world.hangs_when_elected = 1
    assert Wish(world.topology, "away", "meta1", 2.0).fulfil(20.0).after == "meta3"
    assert world.moves == [("meta1", "meta2"), ("meta2", "meta3")]


def test_a_move_that_hangs_until_nobody_is_left_names_whom_to_end(world):
    """Breaks when a playbook waits in vain for members that only a kill on their own hosts can bring back."""
    world.hangs_when_elected = 2
    with pytest.raises(TransferRefused) as refused:
        Wish(world.topology, "away", "meta1", 2.0).fulfil(20.0)
    assert set(refused.value.hung) == {"meta2", "meta3"}
    assert world.leader == "meta1"


def test_a_leader_that_hangs_with_nobody_to_take_over_is_named(world):
    world.hangs = {"meta1", "meta2", "meta3"}
    with pytest.raises(TransferRefused) as refused:
        Wish(world.topology, "away", "meta2", 2.0).fulfil(20.0)
    assert "meta1" in refused.value.hung


def test_what_was_handed_back_by_members_that_hang_was_moved(world):
    """A leader that begins anew has heard no data node, whoever it is. Breaks when a node that is away waits for another one."""
    world.hangs_when_elected = 2
    assert Wish(world.topology, "moved", None, 2.0).fulfil(20.0).after == "meta1"


def test_a_leader_key_of_a_member_that_does_not_lead_is_released(world):
    """Breaks when everybody waits for its lease: 10 s, and as long again after each change of etcd's leader."""
    world.leader, world.etcd_leader = "meta1", "meta2"
    named_by_key(world, "meta1")
    cure = Cure(world.topology, 2.0)
    assert "named meta1" in cure.act(cure.judge(look(world, nodes=(), cluster=False)))
    assert world.revoked == [77]
    assert cure.act(cure.judge(look(world, nodes=(), cluster=False))) is None


def test_a_leader_key_of_etcd_s_leader_is_left(world):
    world.leader, world.etcd_leader = "meta1", "meta2"
    named_by_key(world, "meta2")
    cure = Cure(world.topology, 2.0)
    assert cure.act(cure.judge(look(world, nodes=(), cluster=False))) is None
    assert world.revoked == []


def test_a_well_cluster_is_left_alone(world):
    named_by_key(world, "meta3")
    cure = Cure(world.topology, 2.0)
    assert cure.act(cure.judge(look(world))) is None
    assert (world.moves, world.revoked) == ([], [])


def test_the_gate_hands_on_and_says_who_is_to_be_killed(world):
    """Breaks when a wait takes a hung leader's cluster for ready, or only waits for it."""
    world.hangs = {"meta1"}
    with pytest.raises(verify.Failed) as failed:
        verify.passed(verify.Gate(world.topology, request_timeout=2.0), 20.0, 1, 0.05)
    assert failed.value.hung == ["meta1"]
    assert world.moves == [("meta1", "meta2")]


def test_the_gate_gives_a_keeper_its_time(world, monkeypatch):
    monkeypatch.setattr(verify, "keepers", lambda *_: 60.0)
    world.hangs, original = {"meta1"}, world.move

    def move_and_be_killed(asked, name):
        world.hangs.discard("meta1")
        return original(asked, name)

    world.move = move_and_be_killed
    assert verify.passed(verify.Gate(world.topology, request_timeout=2.0), 20.0, 1, 0.05).seen.leader == "meta2"


def test_in_check_mode_nothing_is_handed_on(world):
    world.hangs = {"meta1"}
    with pytest.raises(verify.Failed):
        verify.passed(verify.Gate(world.topology, request_timeout=2.0, dry=True), 1.0, 1, 0.05)
    assert world.moves == []


class Unit:
    """The member's process: a kill ends the hang."""

    def __init__(self, world, host, after=()):
        self.world, self.host, self.after = world, host, list(after)
        self.runs = 1
        self.kills = 0

    def invocation(self):
        if self.after:
            self.after.pop(0)(self)
        return str(self.runs)

    def kill(self):
        self.kills += 1
        self.runs += 1
        self.world.hangs.discard(self.host)


def cured(world, host="meta1", **more):
    unit = Unit(world, host, **more)
    member = HungMember(world.topology, host, unit, 2.0)
    member.end(20.0)
    return member, unit


def test_a_member_that_hangs_is_killed_once_it_has_handed_on(world):
    world.hangs = {"meta1"}
    member, unit = cured(world)
    assert (unit.kills, world.moves, world.leader) == (1, [("meta1", "meta2")], "meta2")
    noted = cures.read({key: value for key, (value, _) in world.kv.items() if key.startswith(cures.prefix("defaultCluster"))})
    assert [one.member for one in noted] == ["name-meta1"]
    assert "names itself the leader" in noted[0].why


def test_a_successor_that_hangs_is_met_the_same_way(world):
    world.hangs, world.hangs_when_elected = {"meta1"}, 1
    member, unit = cured(world)
    assert world.moves[:2] == [("meta1", "meta2"), ("meta2", "meta3")]
    assert (unit.kills, member.others, world.leader) == (1, ("meta2",), "meta3")


def test_a_member_that_does_not_hang_is_left_alone(world):
    member, unit = cured(world)
    assert (unit.kills, member.steps, world.moves) == (0, [], [])


def test_a_follower_of_a_leader_that_hangs_is_never_killed(world):
    world.hangs = {"meta1"}
    _member, unit = cured(world, "meta3")
    assert unit.kills == 0


def test_a_keeper_that_was_faster_is_enough(world):
    """Breaks when the process is killed that somebody else has just started."""
    world.hangs, world.leader = {"meta1"}, "meta2"

    def somebody_else(unit):
        unit.runs += 1
        world.hangs.discard("meta1")

    _member, unit = cured(world, after=[lambda _unit: None, somebody_else])
    assert unit.kills == 0


def test_a_single_member_is_killed_where_nobody_can_take_over(make_world):
    world = make_world(members=1)
    world.hangs = {"meta1"}
    _member, unit = cured(world)
    assert (unit.kills, world.moves) == (1, [])


def test_where_all_members_hang_one_is_the_first(world):
    """Breaks when each of them waits for another one to take over."""
    world.hangs = {"meta1", "meta2", "meta3"}
    unit = Unit(world, "meta1")
    member = HungMember(world.topology, "meta1", unit, 2.0)
    member._poll(0.0)
    assert (unit.kills, world.hangs) == (1, {"meta2", "meta3"})


def test_the_quorum_is_kept_where_others_are_down(world):
    world.hangs = {"meta1"}
    for host in ("meta2", "meta3"):
        world.members[host].healthy = False
    unit = Unit(world, "meta1")
    assert "no other member can take over" in HungMember(world.topology, "meta1", unit, 2.0)._poll(0.0)
    assert unit.kills == 0


def test_a_member_that_was_cured_too_often_is_left_for_a_human(world):
    world.hangs, world.leader = {"meta1"}, "meta2"
    for number in range(hung_member.MOST):
        world.put(cures.key("defaultCluster", hung_member.now_ms() - number, "name-meta1"), cures.Cured("name-meta1", "now", "it hung").to_json())
    with pytest.raises(TransferRefused, match="hangs again, after it was cured 5 times in the last 10 minutes"):
        cured(world)
    world.put(cures.key("defaultCluster", 1, "name-meta1"), "{}")


def test_old_cures_do_not_count(world):
    world.hangs, world.leader = {"meta1"}, "meta2"
    for number in range(hung_member.MOST):
        world.put(cures.key("defaultCluster", hung_member.now_ms() - 700_000 - number, "name-meta1"), cures.Cured("name-meta1", "then", "x").to_json())
    assert cured(world)[1].kills == 1


def test_only_the_last_cures_are_kept():
    keys = [cures.key("c", number, "m") for number in range(100, 160)]
    assert cures.too_many(keys) == keys[:10]
    assert cures.too_many(keys[:50]) == []


def test_hung_has_its_own_timeouts():
    """The second sign is worth as much as the first, and a stall is longer than any election that was seen."""
    assert ELECTION > transfer.SETTLED
