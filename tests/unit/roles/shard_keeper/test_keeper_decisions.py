"""Every decision of the keeper on its own, with a fake clock: when it acts, when it doesn't, and what it says."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from tests.unit.helpers.keeper_world import NODES, other, own, settings, sk, spread

T = 1000.0


def keeper(now: float = T, others: tuple[str, ...] = ("m2", "m3"), settle: float = 2.0, **changes: Any) -> Any:
    """One that has seen all nodes alive, and its member leading for a while; db1 is refused from then on."""
    made = sk.Keeper(settings(members=len(others) + 1, **changes), now - 60, settle)
    made.own(own(now - 60, etcd_leader=2, term=1))
    made.own(own(now - 30))
    made.step(now - 30)
    look(made, now, others)
    return made


def look(made: Any, now: float, others: tuple[str, ...] = ("m2", "m3"), silent: tuple[str, ...] = (), **changes: Any) -> Any:
    """One round: everybody is asked, and a decision."""
    for node in NODES:
        if node in silent:
            made.failed(node, now, "connection refused")
        else:
            made.answered(node, now, frozenset(s for s, names in spread().items() if node in names))
    made.own(own(now, **changes))
    for name in others:
        made.other(name, other(now))
    return made.step(now)


def silent_for(made: Any, seconds: float, start: float = T, **changes: Any) -> Any:
    """db1 is silent for so long, round by round; the last decision."""
    decision = None
    steps = round(seconds / 0.5)
    for number in range(1, steps + 1):
        decision = look(made, start + number * 0.5, silent=("db1",), **changes)
    return decision


def test_silence_is_acted_on_when_it_lasts() -> None:
    """Breaks when the threshold isn't the configured one."""
    made = keeper()
    assert silent_for(made, 2.0).do == sk.WATCH
    decision = look(made, T + 2.5, silent=("db1",))
    assert (decision.do, decision.target) == (sk.MOVE, "m2")
    assert "db1 has been silent for 2.5 s (connection refused)" in decision.why


def test_an_answer_ends_the_silence() -> None:
    """Breaks when silences add up."""
    made = keeper()
    silent_for(made, 2.0)
    look(made, T + 2.5)
    assert silent_for(made, 2.0, T + 2.5).do == sk.WATCH


def test_a_node_that_is_not_mapped_may_be_silent() -> None:
    """Breaks when a node that holds nothing, or was never deployed, costs moves."""
    made = keeper()
    view = {shard: names for shard, names in spread().items() if "db1" not in names}
    assert silent_for(made, 10, view=view).do == sk.WATCH


def test_a_mapped_stranger_is_named() -> None:
    """Breaks when nobody learns that a node is not watched."""
    decision = look(keeper(), T + 1, view={**spread(), 7: ("192.0.2.99:8831",)})
    assert decision.do == sk.WATCH and "192.0.2.99:8831" in decision.why


def test_a_question_without_an_outcome_is_no_silence() -> None:
    """Breaks when a resolver that hangs on this host makes all nodes look silent."""
    made = keeper()
    made.own(own(T + 60))
    assert made.step(T + 60).do == sk.WATCH and made.silence("db1", T + 60) == 0


def test_a_node_that_was_silent_before_this_leadership_is_safe() -> None:
    """Breaks when a new leader's keeper passes the leadership on: the ping-pong."""
    made = sk.Keeper(settings(), T - 60)
    for number in range(10):
        look(made, T + number * 0.5, silent=("db1",), etcd_leader=2, term=1)
    decision = silent_for(made, 60, T + 5, term=2)
    assert decision.do == sk.WATCH and "never heard by it and safe: db1" in decision.why


def test_a_node_that_this_leader_heard_is_not() -> None:
    """Breaks when safe once means safe for ever."""
    made = sk.Keeper(settings(), T - 60)
    for number in range(10):
        look(made, T + number * 0.5, silent=("db1",), etcd_leader=2, term=1)
    silent_for(made, 20, T + 5, term=2)
    look(made, T + 26, term=2)
    assert silent_for(made, 2.5, T + 26, term=2).do == sk.MOVE


def test_a_member_that_could_not_be_asked_for_a_while_still_knows_whom_it_heard() -> None:
    """Breaks when silence of the own member is taken for the end of its leadership."""
    made = keeper()
    for number in range(1, 8):
        made.own(None, "nothing within 2 s")
        made.failed("db1", T + number * 0.5, "connection refused")
        assert made.step(T + number * 0.5).do == sk.IDLE
    assert look(made, T + 4, silent=("db1",)).do == sk.MOVE


def test_a_second_term_of_the_only_member_is_another_leadership() -> None:
    """Breaks when leaderships are told apart by the leader's name: a restarted single member has forgotten everybody."""
    made = keeper(others=())
    silent_for(made, 1.0, others=())
    assert silent_for(made, 10, T + 1, others=(), term=3).do == sk.WATCH


def test_a_leader_that_was_elected_again_at_once_may_not_have_noticed() -> None:
    """Breaks when a new term of the same leader counts as forgetting: HoraeMeta may have led on, and would drop the node."""
    made = keeper()
    silent_for(made, 1.0)
    look(made, T + 1.5, silent=("db1",), etcd_leader=0)
    assert silent_for(made, 5.5, T + 1.5, term=3).do == sk.MOVE


def test_a_leader_that_followed_another_in_between_has_forgotten() -> None:
    """Breaks when what a leader knew two leaderships ago still counts: the ping-pong of two members."""
    made = keeper()
    silent_for(made, 1.0)
    look(made, T + 1.5, silent=("db1",), etcd_leader=2, term=3)
    assert silent_for(made, 30, T + 1.5, term=4).do == sk.WATCH


IDLE_CASES: list[tuple[str, dict[str, Any], str]] = [
    ("quorum lost", {"healthy": False}, "the quorum is lost"),
    ("no leader", {"etcd_leader": 0}, "the quorum is lost, or an election"),
    ("disagree", {"leader_url": "http://192.0.2.12:2379"}, "HoraeMeta names http://192.0.2.12:2379"),
    ("not yet", {"leader_url": ""}, "HoraeMeta has no leader yet"),
    ("no cluster", {"topology_type": None}, "HoraeMeta has no cluster defaultCluster yet"),
    ("repair", {"topology_type": "dynamic"}, "a repair may be going on"),
]


@pytest.mark.parametrize(("changes", "words"), [case[1:] for case in IDLE_CASES], ids=[case[0] for case in IDLE_CASES])
def test_it_is_idle_and_says_why(changes: dict[str, Any], words: str) -> None:
    """Breaks when a move could start the dynamic scheduler in a repair, or be asked of somebody who doesn't lead."""
    made = keeper()
    decision = silent_for(made, 5, **changes)
    assert decision.do == sk.IDLE and words in decision.why


def test_a_member_that_does_not_lead_only_stands_by() -> None:
    """Breaks when two keepers act at the same time."""
    decision = silent_for(keeper(), 5, etcd_leader=2, leader_url="http://192.0.2.12:2379")
    assert decision.do == sk.STANDBY


def test_an_old_word_of_the_own_member_is_not_acted_on() -> None:
    """Breaks when a hanging member is taken for a leading one."""
    made = keeper()
    for number in range(1, 10):
        made.failed("db1", T + number, "connection refused")
        decision = made.step(T + number)
    assert decision.do == sk.IDLE and "has not answered" in decision.why


UNFIT: list[tuple[str, Callable[[float], Any]]] = [
    ("silent", lambda _at: None),
    ("stale", lambda at: other(at - 2.5)),
    ("unhealthy", lambda at: other(at, healthy=False)),
    ("a learner", lambda at: other(at, voting=False)),
    ("behind", lambda at: other(at, applied=800)),
    ("of another mind", lambda at: other(at, etcd_leader=3)),
]


@pytest.mark.parametrize("seen", [case[1] for case in UNFIT], ids=[case[0] for case in UNFIT])
def test_nobody_takes_over_who_can_not(seen: Callable[[float], Any]) -> None:
    """Breaks when the leadership is offered to a member that died with the node, votes for nothing or lags behind."""
    made = keeper()
    silent_for(made, 2.0)
    at = T + 2.5
    made.failed("db1", at, "connection refused")
    made.own(own(at))
    made.other("m2", seen(at))
    made.other("m3", seen(at))
    decision = made.step(at)
    assert decision.do == sk.IDLE and "no other member is healthy, voting and in sync" in decision.why
    made.other("m3", other(at))
    decision = made.step(at + 0.1)
    assert (decision.do, decision.target) == (sk.MOVE, "m3")


def test_a_failed_move_is_tried_again_at_once_with_another_member_and_then_less_often() -> None:
    """Breaks when a dead candidate is asked again and again, or when the log fills a disk."""
    made = keeper()
    silent_for(made, 2.0)
    tried = []
    for number in range(60):
        at = T + 2.5 + number * 0.5
        decision = look(made, at, silent=("db1",))
        if decision.do == sk.MOVE:
            tried.append((at - T - 2.5, decision.target))
            made.done(at, "timed out")
    assert [target for _at, target in tried][:4] == ["m2", "m3", "m2", "m3"]
    times = [at for at, _target in tried]
    assert times[:4] == [0.0, 0.5, 1.5, 3.5] and times[4] - times[3] == 4.0 and times[-1] - times[-2] == 5.0
    assert made.counts["move_failed"] == len(tried)


def test_a_move_that_was_answered_and_is_not_seen_is_asked_for_again() -> None:
    """Breaks when an answer counts as a move."""
    made = keeper()
    silent_for(made, 2.5)
    made.done(T + 2.5, "")
    assert look(made, T + 3, silent=("db1",)).do == sk.WATCH
    assert silent_for(made, 1.5, T + 3).do == sk.MOVE


def test_a_leadership_lasts_5_seconds_at_least() -> None:
    """Breaks when two keepers could throw the leadership to and fro."""
    made = sk.Keeper(settings(), T - 60)
    look(made, T, etcd_leader=2, term=1)
    look(made, T + 0.5, term=2)
    assert silent_for(made, 4.5, T + 0.5, term=2).do == sk.WATCH
    assert look(made, T + 5.5, silent=("db1",), term=2).do == sk.MOVE


def test_the_lock_raises_the_threshold_and_its_end_lowers_it() -> None:
    """Breaks when a planned restart costs a move, or when a dead controller's lock costs shards."""
    made = keeper()
    assert silent_for(made, 5.5, locked=True).do == sk.WATCH
    assert look(made, T + 6, silent=("db1",), locked=True).do == sk.MOVE
    made = keeper()
    assert silent_for(made, 4, locked=True).do == sk.WATCH
    assert look(made, T + 4.5, silent=("db1",), locked=False).do == sk.MOVE


def test_a_process_that_was_stopped_itself_does_not_blame_the_nodes() -> None:
    """Breaks when a suspended host moves the leadership first thing in the morning."""
    made = keeper()
    later = T + 3600
    made.failed("db1", later, "nothing within 1 s")
    made.own(own(later))
    made.other("m2", other(later))
    assert made.step(later).do == sk.WATCH
    assert look(made, later + 0.5).do == sk.WATCH
    assert silent_for(made, 2.5, later + 0.5).do == sk.MOVE


def test_an_act_that_takes_long_is_not_taken_for_sleep() -> None:
    """Breaks when the silence of the other nodes starts anew with each try that times out."""
    made = keeper()
    silent_for(made, 2.5)
    made.done(T + 5.5, "timed out")
    assert look(made, T + 6, silent=("db1",)).do == sk.MOVE
    assert made.silence("db1", T + 6) == 6


def test_the_only_member_is_restarted_and_not_while_the_last_restart_goes_on() -> None:
    """Breaks when a single member is asked to hand over to nobody, or is restarted in a loop."""
    made = keeper(others=())
    assert silent_for(made, 2.5, others=()).do == sk.RESTART
    made.done(T + 2.5, "")
    assert silent_for(made, 4.5, T + 2.5, others=()).do == sk.WATCH
    assert made.counts["restart_done"] == 1


def dynamic(now: float = T) -> Any:
    return keeper(now, topology_type="dynamic")


def without(*shards: int) -> dict[str, Any]:
    return {"topology_type": "dynamic", "view": {s: names for s, names in spread().items() if s not in shards}}


def rounds(made: Any, seconds: float, start: float, **changes: Any) -> list[str]:
    return [look(made, start + number * 0.5, **changes).do for number in range(1, round(seconds / 0.5) + 1)]


def test_a_silent_node_is_none_of_its_business_in_dynamic_topology() -> None:
    """Breaks when a failover, which is the scheduler's, costs a move too."""
    made = dynamic()
    look(made, T + 0.5, **without())
    assert silent_for(made, 30, T + 1, **without()).do == sk.WATCH


def test_shards_that_fell_out_of_the_map_while_their_node_serves_them() -> None:
    """Breaks when a lost map stays lost, or when a failover in progress is taken for one."""
    made = dynamic()
    look(made, T + 0.5, **without())
    done = rounds(made, 12, T + 0.5, **without(0, 3))
    assert done.index(sk.MOVE) == 20 and set(done[:20]) == {sk.WATCH}
    assert "shard 0 is Ready on db1 and missing in the map" in made.decision.why


def test_a_map_that_comes_back_by_itself_is_left_alone() -> None:
    """Breaks when absences add up."""
    made = dynamic()
    look(made, T + 0.5, **without())
    assert sk.MOVE not in rounds(made, 9, T + 0.5, **without(0))
    look(made, T + 10, **without())
    assert sk.MOVE not in rounds(made, 9, T + 10, **without(0))


def test_a_shard_that_this_leader_never_mapped_is_not_worth_another_move() -> None:
    """Breaks when a map that a move can't mend makes the leadership wander for ever."""
    made = sk.Keeper(settings(topology_type="dynamic"), T - 60)
    look(made, T, etcd_leader=2, term=1, topology_type="dynamic")
    assert sk.MOVE not in rounds(made, 120, T, **without(0, 3))


def test_a_playbook_at_work_judges_the_map_itself() -> None:
    """Breaks when a restart in dynamic topology is crossed by a move."""
    made = dynamic()
    look(made, T + 0.5, **without())
    assert sk.MOVE not in rounds(made, 60, T + 0.5, locked=True, **without(0))


def test_a_single_member_of_a_dynamic_cluster_is_never_restarted() -> None:
    """Breaks when more than a move is done for a map."""
    made = keeper(others=(), topology_type="dynamic")
    look(made, T + 0.5, (), **without())
    done = rounds(made, 30, T + 0.5, others=(), **without(0))
    assert set(done) == {sk.WATCH, sk.IDLE}
