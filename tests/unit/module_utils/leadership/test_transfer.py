"""Leadership goes only to those who can take it, and counts as moved only once all see it moved."""

from __future__ import annotations

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import transfer
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.transfer import TransferRefused, Wish

ELECTION = (500, {"status": "error", "error": "(#500)move leader", "msg": "etcdserver: leader changed"})
LIE = (200, {"status": "success", "data": "ok"})


def fulfil(world, state, host=None, timeout=3.0):
    return Wish(world.topology, state, host, 0.5).fulfil(timeout)


@pytest.fixture
def impatient(monkeypatch):
    """Nothing passes by itself in this world, so there is nothing to wait out."""
    monkeypatch.setattr(transfer, "SETTLED", 0.0)


def test_away_from_the_leader(world):
    moved = fulfil(world, "away", "meta1")
    assert (moved.before, moved.after, world.leader) == ("meta1", "meta2", "meta2")
    assert world.moves == [("meta1", "meta2")]


def test_away_from_a_follower_is_nothing_to_do(world):
    moved = fulfil(world, "away", "meta2")
    assert (moved.before, moved.after) == ("meta1", "meta1")
    assert world.moves == []


def test_at_a_host(world):
    assert fulfil(world, "at", "meta3").after == "meta3"
    assert fulfil(world, "at", "meta3").before == "meta3"
    assert world.moves == [("meta1", "meta3")]


def test_moved_changes_the_leader_every_time(world):
    assert fulfil(world, "moved").after == "meta2"
    assert fulfil(world, "moved").after == "meta1"


@pytest.mark.parametrize("answers", [[ELECTION], [ELECTION, ELECTION, ELECTION], [LIE], [LIE, ELECTION]])
def test_what_the_move_answers_is_not_what_counts(world, answers):
    """It may fail in an election, and it may say ok and nothing happens: what is seen decides, and it is tried again."""
    world.move_answers = list(answers)
    assert fulfil(world, "away", "meta1").after == "meta2"
    assert len(world.moves) == len(answers) + 1


def test_it_gives_up_and_says_what_the_last_answer_was(world):
    world.move_answers = [ELECTION] * 50
    with pytest.raises(TransferRefused, match=r"after 1 s: meta1 couldn't hand its leadership to meta2: .*leader changed"):
        fulfil(world, "away", "meta1", timeout=1.0)


@pytest.mark.parametrize("where", ["down", "unhealthy", "learner", "lagging"])
def test_only_a_member_in_sync_may_take_over(world, where):
    world.clusters = [dict(world.clusters[0], Name="another")]
    member = world.members["meta2"]
    topology = world.topology
    {
        "down": member.stop,
        "unhealthy": lambda: setattr(member, "healthy", False),
        "learner": lambda: setattr(member, "learner", True),
        "lagging": lambda: setattr(member, "applied", 10),
    }[where]()
    assert Wish(topology, "moved", None, 0.5).fulfil(3.0).after == "meta3"


def test_members_that_do_not_agree_yet_are_waited_for(world):
    world.members["meta3"].names = "meta2"
    with pytest.raises(TransferRefused, match="don't agree on a leader: .*meta3 names meta2"):
        fulfil(world, "away", "meta1", timeout=0.5)
    assert world.moves == []


def test_the_leader_is_looked_up_anew_for_every_try(world):
    """Between two tries somebody else won an election: the next try must not go to the old leader."""
    original = world.move

    def elected_meanwhile(asked, name):
        if not world.moves:
            world.moves.append((asked, "nobody"))
            world.leader = "meta3"
            return ELECTION
        return original(asked, name)

    world.move = elected_meanwhile
    assert fulfil(world, "at", "meta2").after == "meta2"
    assert [asked for asked, _target in world.moves] == ["meta1", "meta3"]


@pytest.mark.parametrize("leader", ["meta1", "meta3"])
@pytest.mark.usefixtures("impatient")
def test_a_stop_that_would_cost_the_quorum_is_refused(world, leader):
    """Whether it leads or not: with meta2 down, neither of the other two can be spared."""
    world.leader = leader
    topology = world.topology
    world.members["meta2"].stop()
    with pytest.raises(TransferRefused, match=r"stopping the member on meta1 would leave 1 .* of 3, and the quorum is 2: get meta2 healthy first"):
        Wish(topology, "away", "meta1", 0.5).fulfil(3.0)
    with pytest.raises(TransferRefused, match="quorum"):
        Wish(topology, "away", "meta1", 0.5).predict()
    assert world.moves == []


@pytest.mark.usefixtures("impatient")
def test_a_learner_does_not_help_the_quorum(world):
    """Two voters and a learner: three healthy members, and none of the voters can be spared."""
    world.members["meta3"].learner = True
    with pytest.raises(TransferRefused, match=r"would leave 1 healthy voting members of 2"):
        fulfil(world, "away", "meta1")


@pytest.mark.usefixtures("impatient")
def test_a_member_that_the_inventory_does_not_have_counts_for_the_quorum(world):
    world.foreign_members = [{"ID": "77", "name": "a"}, {"ID": "78", "name": "b"}]
    with pytest.raises(TransferRefused, match=r"would leave 2 healthy voting members of 5, and the quorum is 3"):
        fulfil(world, "away", "meta1")


@pytest.mark.usefixtures("impatient")
def test_two_members_cannot_spare_one(make_world):
    with pytest.raises(TransferRefused, match="a cluster of this size can't spare any member"):
        fulfil(make_world(members=2), "away", "meta1")


@pytest.mark.usefixtures("impatient")
def test_a_member_that_is_down_itself_may_be_stopped(world):
    topology = world.topology
    world.members["meta3"].stop()
    assert Wish(topology, "away", "meta3", 0.5).fulfil(3.0).after == "meta1"


def test_a_refusal_waits_until_an_election_would_be_over(world, monkeypatch):
    """In an election members have no quorum for a moment; that is no reason to refuse."""
    monkeypatch.setattr(transfer, "SETTLED", 2.0)
    world.members["meta2"].healthy = False
    looks = []
    original = transfer.look

    def look(*given):
        looks.append(1)
        if len(looks) == 3:
            world.members["meta2"].healthy = True
        return original(*given)

    monkeypatch.setattr(transfer, "look", look)
    assert fulfil(world, "away", "meta3", timeout=5.0).after == "meta1"
    assert len(looks) == 3


@pytest.mark.usefixtures("impatient")
def test_where_the_quorum_is_lost_a_stop_costs_nothing(world):
    for member in world.members.values():
        member.healthy = False
    moved = fulfil(world, "away", "meta1")
    assert moved.after is None
    assert "no quorum" in moved.why


def test_a_single_member_has_nobody_to_hand_over_to(make_world):
    world = make_world(members=1)
    moved = fulfil(world, "away", "meta1")
    assert (moved.before, moved.after) == ("meta1", "meta1")
    assert "only member" in moved.why
    with pytest.raises(TransferRefused, match="restarting it"):
        fulfil(world, "moved")


def test_an_unknown_host_is_refused_by_name(world):
    with pytest.raises(ValueError, match="host db1 has no HoraeMeta member; the members are on meta1, meta2, meta3"):
        Wish(world.topology, "away", "db1")


@pytest.mark.parametrize(
    ("state", "host", "after"), [("away", "meta1", "meta2"), ("away", "meta2", "meta1"), ("at", "meta3", "meta3"), ("moved", None, "meta2")]
)
def test_a_prediction_moves_nothing(world, state, host, after):
    assert Wish(world.topology, state, host).predict().after == after
    assert world.moves == []


def test_fresh_hosts_are_not_predicted(world):
    topology = world.topology
    world.stop()
    assert Wish(topology, "away", "meta1").predict().after is None


def test_a_member_that_is_killed_late_in_a_move_is_waited_for(world, monkeypatch):
    """Breaks when a move that met a hang is refused, because the member that was ended for it isn't back yet."""
    monkeypatch.setattr(transfer, "SETTLED", 8.0)
    move = transfer.Move(world.topology, lambda host, _before: host != "meta1", 2.0, stopping="meta1")
    world.members["meta3"].healthy = False
    assert "the quorum is 2" in move.poll(9.0)
    assert "the quorum is 2" in move.poll(16.9)
    with pytest.raises(transfer.TransferRefused):
        move.poll(17.1)
    world.members["meta3"].healthy = True
    move.poll(18.0)
    world.members["meta3"].healthy = False
    assert "the quorum is 2" in move.poll(19.0)
