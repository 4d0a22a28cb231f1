"""What becomes of a static cluster when nodes go away without being asked to: minutes of it, with a keeper beside each member."""

from __future__ import annotations

import itertools

import pytest

from tests.unit.helpers.keeper_world import NODES, World

KINDS = ["dead", "hole"]


def gaps(times: list[float]) -> list[float]:
    return [round(after - before, 1) for before, after in zip(times, times[1:])]


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_keeper_the_shards_are_forgotten(kind: str) -> None:
    """Breaks when the world on paper is kinder than the real one: then no test here would prove anything."""
    world = World(keepers=False)
    world.at(20, lambda: world.set("db1", kind))
    world.at(60, lambda: world.set("db1", "up"))
    assert world.run(90).lost == {0, 3}


@pytest.mark.parametrize("kind", KINDS)
def test_a_silent_node_costs_one_move_and_no_shard(kind: str) -> None:
    """Breaks when the keeper comes too late or too early, or when the next leader's keeper moves again: the ping-pong."""
    world = World()
    world.at(20, lambda: world.set("db1", kind))
    world.run(320)
    assert world.lost == set()
    assert len(world.moves) == 1 and 22 <= world.move_times[0] <= 23.6


def test_a_node_that_returns_and_falls_silent_again_is_protected_again() -> None:
    """Breaks when a node counts as safe for longer than its silence lasts."""
    world = World()
    for start in (20, 100, 180):
        world.at(start, lambda: world.set("db2", "hole"))
        world.at(start + 40, lambda: world.set("db2", "up"))
    world.run(300)
    assert world.lost == set() and len(world.moves) == 3


@pytest.mark.parametrize(("kind", "seconds"), [("dead", 1.5), ("hole", 1.0)])
def test_a_short_silence_is_left_alone(kind: str, seconds: float) -> None:
    """Breaks when a quick restart or a lost packet costs a move. In a hole a question may be lost that was put just before its end."""
    world = World()
    for start in range(20, 60, 5):
        world.at(start, lambda: world.set("db1", kind))
        world.at(start + seconds, lambda: world.set("db1", "up"))
    assert world.run(70).moves == []


@pytest.mark.parametrize(("up", "down"), [(1, 3), (3, 3), (6, 4), (4, 12)])
def test_a_flapping_node_is_protected_and_moves_nobody_more_than_once_in_5_seconds(up: int, down: int) -> None:
    """Breaks when the pause between moves is missing, or when it is so long that a node is lost in it."""
    world = World()
    for start in range(20, 140, up + down):
        world.at(start, lambda: world.set("db1", "hole"))
        world.at(start + down, lambda: world.set("db1", "up"))
    world.run(180)
    assert world.lost == set()
    assert world.moves and all(gap >= 5 for gap in gaps(world.move_times)), world.move_times


@pytest.mark.parametrize("apart", [0, 0.5, 1, 2, 2.5, 3, 3.5, 5, 8, 9.5])
def test_two_nodes_at_once_and_within_seconds(apart: float) -> None:
    """Breaks when the second one dies unwatched around the move that the first one caused."""
    world = World()
    world.at(20, lambda: world.set("db1", "hole"))
    world.at(20 + apart, lambda: world.set("db3", "dead"))
    world.run(200)
    assert world.lost == set() and 1 <= len(world.moves) <= 2, world.move_times


def test_all_nodes_at_once() -> None:
    """Breaks when a keeper takes the loss of everything for its own."""
    world = World()
    for node in NODES:
        world.at(20, lambda node=node: world.set(node, "hole"))  # type: ignore[misc]
    assert world.run(200).lost == set() and len(world.moves) == 1


@pytest.mark.parametrize("handed_over", range(0, 20))
def test_a_node_that_dies_just_after_a_leader_began_is_protected(handed_over: int) -> None:
    """Breaks when what a new leader heard in its first moments, before its keeper knew that it leads, counts as never heard."""
    for died, lag in itertools.product((1, 2, 3, 5, 25), (0.1, 0.2, 0.4)):
        world = World(lag=lag)
        world.at(20 + handed_over / 10, lambda: world.hand_over("m2"))  # noqa: B023
        world.at(20.2 + (handed_over + died) / 10, lambda: world.set("db1", "dead"))  # noqa: B023
        world.run(45)
        assert world.lost == set() and len(world.moves) <= 1, (died, lag)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("later", [0, 1, 2, 4, 5.5])
def test_the_leaders_host_lost_together_with_a_data_node(kind: str, later: float) -> None:
    """Breaks when the next leader's keeper doesn't take over, or plays ping-pong with the only member left."""
    world = World()
    world.at(20, lambda: world.lose_member("m1"))
    world.at(20 + later, lambda: world.set("db1", kind))
    world.run(200)
    assert world.lost == set() and len(world.moves) <= 1


@pytest.mark.parametrize("tenths", range(0, 26, 5))
def test_a_keeper_that_starts_while_a_node_is_dying_protects_it(tenths: int) -> None:
    """Breaks when a keeper that doesn't know the past hopes for the best."""
    world = World()
    world.at(20, lambda: world.set("db1", "hole"))
    world.at(20 + tenths / 10, lambda: world.restart_keepers("m1"))
    assert world.run(120).lost == set()


def test_keepers_restarted_while_a_node_is_away_cost_one_move_at_most() -> None:
    """Breaks when a keeper without a past moves the leadership to the next one without a past, and so on."""
    world = World()
    world.at(20, lambda: world.set("db1", "hole"))
    world.at(60, lambda: world.restart_keepers("m1", "m2", "m3"))
    world.run(300)
    assert world.lost == set() and len(world.moves) == 2


def test_while_a_playbook_holds_the_lock_its_own_restarts_are_left_to_it() -> None:
    """Breaks when a planned restart of 5 s costs a move."""
    world = World(locked=True)
    world.at(20, lambda: world.set("db1", "dead"))
    world.at(25, lambda: world.set("db1", "up"))
    assert world.run(60).moves == []


def test_a_lock_whose_holder_died_does_not_cost_a_shard() -> None:
    """Breaks when the keeper sleeps while the lock is held."""
    world = World(locked=True)
    world.at(20, lambda: world.set("db1", "hole"))
    world.run(120)
    assert world.lost == set() and len(world.moves) == 1 and 26 <= world.move_times[0] <= 27.1


@pytest.mark.parametrize("kind", KINDS)
def test_the_only_member_is_restarted_once_for_a_silent_node(kind: str) -> None:
    """Breaks when a single member isn't restarted, or is restarted for as long as the node is away."""
    world = World(members=1)
    world.at(20, lambda: world.set("db1", kind))
    world.at(27, lambda: world.set("db2", kind))
    world.run(200)
    assert world.lost == set() and 1 <= len(world.moves) <= 2
