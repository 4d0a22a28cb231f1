"""A daemon that a container engine runs: its image is a part of the generation, fetched and proved before anything is switched."""

from __future__ import annotations

import json
import pathlib
from typing import Any, Callable, Iterator, List

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.service import image, run
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import Ran
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused, from_options
from ansible_collections.horaedb.cluster.plugins.plugin_utils.service import shell_inspection

from tests.unit.helpers.daemon_fakes import FakeWait, Killed, converge, options
from tests.unit.helpers.engine_fakes import EngineHost, archived, image_options, manifest_of, pinned

CANARY = "canary-password"


@pytest.fixture(autouse=True)
def probes(monkeypatch: pytest.MonkeyPatch) -> Iterator[List[EngineHost]]:
    hosts: List[EngineHost] = []
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)
    monkeypatch.setattr(run, "_until_ready", lambda options: FakeWait(hosts[-1]) if options.get("ready") else None)
    yield hosts


@pytest.fixture
def new_host(tmp_path: pathlib.Path, probes: List[EngineHost]) -> Callable[..., EngineHost]:
    def make(engine: str = "podman") -> EngineHost:
        probes.append(EngineHost(tmp_path / str(len(probes)), engine))
        probes[-1].registry = {pinned(number) for number in range(1, 9)}
        return probes[-1]

    return make


@pytest.fixture
def host(new_host: Callable[..., EngineHost]) -> EngineHost:
    return new_host()


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_an_image_is_pulled_proved_and_run_and_a_second_run_does_nothing(new_host: Callable[..., EngineHost], engine: str) -> None:
    host = new_host(engine)
    wanted = image_options(pinned(1), engine=engine)
    result = converge(host, wanted)
    assert (result["started"], result["version"], result["stale"]) == (True, "tinyd 1.0", False)
    assert [words[1] for words in host.commands if words[0].endswith(engine)] == ["pull", "run"]
    assert pinned(1) in (host.read("/etc/systemd/system/tiny.service") or b"").decode()
    assert manifest_of(host, result["generation"])["image"] == pinned(1)
    points = host.points
    assert converge(host, wanted)["changed"] is False
    assert host.points == points


def test_the_proof_runs_under_the_sandbox_of_the_unit_and_as_nobody(host: EngineHost) -> None:
    converge(host, image_options(pinned(1)))
    proof = next(words for words in host.commands if words[1] == "run")
    assert proof[-2:] == [pinned(1), "--version"]
    assert {"--cap-drop=all", "--read-only", "--security-opt=no-new-privileges", "--pull=never", "--user=65534:65534"} <= set(proof)
    assert "--entrypoint=/usr/bin/tinyd" in proof, "upstream's own entrypoint starts other things as well"


def test_an_archive_is_sent_only_to_a_host_that_lacks_its_image(host: EngineHost) -> None:
    host.mkdir("/opt/tiny", 0o750, "root")
    wanted = image_options(archived(1), image={"archive": True})
    assert run.run(host, wanted)["needs"] == ["image"]
    pathlib.Path(host.at("/tmp/image")).write_text(archived(1))
    sent = image_options(archived(1), image={"archive": True, "path": "/tmp/image"})
    assert run.run(host, sent)["started"]
    assert "needs" not in run.run(host, image_options(archived(1), "a = 2\n", image={"archive": True}))


def test_an_archive_with_another_image_in_it_is_refused(host: EngineHost) -> None:
    host.mkdir("/opt/tiny", 0o750, "root")
    pathlib.Path(host.at("/tmp/image")).write_text(archived(2))
    with pytest.raises(Refused, match="has no image %s now. Nothing was switched. Look there." % archived(1)):
        run.run(host, image_options(archived(1), image={"archive": True, "path": "/tmp/image", "hint": "Look there."}))


@pytest.mark.parametrize(
    ("break_", "words"),
    [
        (lambda host: host.registry.clear(), "podman on this host can't pull .*: Error: initializing source: manifest unknown. Nothing was switched."),
        (lambda host: setattr(host, "login_wanted", "x"), "unauthorized: authentication required. Nothing was switched."),
        (lambda host: setattr(host, "program", Ran(1, "", "tinyd: panicked")), "doesn't run on this host: exit status 1: tinyd: panicked."),
        (lambda host: setattr(host, "down", "Cannot connect to the Docker daemon"), "doesn't answer on this host.*Cannot connect"),
    ],
)
def test_what_cannot_be_had_or_proved_leaves_the_old_one_running(host: EngineHost, break_: Callable[[EngineHost], None], words: str) -> None:
    first = converge(host, image_options(pinned(1)))
    break_(host)
    with pytest.raises(Refused, match=words):
        converge(host, image_options(pinned(2), state="restarted"))
    assert (host.systemd.running, host.names("/opt/tiny/generations")) == (first["generation"], [first["generation"]])
    assert host.images == {pinned(1)}, "what was fetched in vain is removed again"


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (Ran(126, "", "Error: OCI runtime error: runc: NoCgroups"), "Install crun"),
        (Ran(126, "", "exec /usr/bin/tinyd: exec format error"), "another architecture"),
        (Ran(127, "", "crun: executable file `/usr/bin/tinyd` not found: No such file or directory"), "somewhere else in the image"),
        (Ran(124, "", ""), "had not ended after 90 s"),
        (Ran(125, "", "docker: Error response from daemon: no room.\n\nRun 'docker run --help' for more information"), "125: docker: Error response from daemon: no room."),
        (Ran(126, "", 'docker: Error: permission denied.\ntime="x" level=error msg="error waiting"'), "126: docker: Error: permission denied."),
        (Ran(3, "", ""), "exit status 3: it printed nothing."),
    ],
)
def test_an_image_that_cannot_run_is_explained(said: Ran, remedy: str) -> None:
    assert remedy in image.explain(said)


def test_a_login_is_in_a_file_of_root_while_it_is_needed_and_nowhere_else(host: EngineHost) -> None:
    host.login_wanted = "auth"
    result = converge(host, image_options(pinned(1), image={"username": "me", "password": CANARY}))
    assert result["started"] and json.loads(host.logins[0])["auths"]["registry.example.com"]["auth"]
    assert not [words for words in host.commands if CANARY in " ".join(words)]
    written = b"".join(path.read_bytes() for path in pathlib.Path(host.base).rglob("*") if path.is_file())
    assert CANARY.encode() not in written and b'"auth"' not in written
    assert CANARY not in json.dumps(result)


def test_a_login_that_a_kill_left_is_removed_by_the_next_run(new_host: Callable[..., EngineHost]) -> None:
    wanted = image_options(pinned(1), image={"username": "me", "password": CANARY})
    whole = new_host()
    converge(whole, wanted)
    for point in range(1, whole.points + 1):
        host = new_host()
        host.kill_at = point
        with pytest.raises(Killed):
            converge(host, wanted)
        host.kill_at, host.dead = None, False
        converge(host, wanted)
        assert host.systemd.pid and converge(host, wanted)["changed"] is False, point
        assert host.names("/opt/tiny/generations") == [from_options(wanted).generation], point


def test_docker_hub_is_also_known_by_its_old_name() -> None:
    assert sorted(json.loads(image.login("docker.io/a/b@x", "u", "p"))["auths"]) == ["docker.io", "https://index.docker.io/v1/"]


def test_a_certificate_is_demanded_unless_it_is_waived(host: EngineHost) -> None:
    converge(host, image_options(pinned(1)))
    converge(host, image_options(pinned(2), image={"tls_verify": False}))
    pulls = [words for words in host.commands if words[1] == "pull"]
    assert ["--tls-verify=false" in words for words in pulls] == [False, True]


def test_a_vanished_image_is_fetched_again_and_costs_no_restart(host: EngineHost) -> None:
    converge(host, image_options(pinned(1)))
    pid = host.systemd.pid
    host.images.clear()
    result = converge(host, image_options(pinned(1)))
    assert (result["changed"], result["stale"], host.systemd.pid) == (True, False, pid)
    assert host.images == {pinned(1)}


def test_old_images_go_with_their_last_generation(host: EngineHost) -> None:
    for number in range(1, 7):
        for config in ("a = 1\n", "a = 2\n"):
            converge(host, image_options(pinned(number), config, state="restarted", keep=1))
    kept = {manifest_of(host, name)["image"] for name in host.names("/opt/tiny/generations")}
    assert host.images == kept == {pinned(5), pinned(6)}


def test_an_image_that_somebody_else_uses_stays(host: EngineHost) -> None:
    host.in_use = {pinned(1)}
    for number in range(1, 5):
        converge(host, image_options(pinned(number), state="restarted", keep=0))
    assert host.images == {pinned(1), pinned(3), pinned(4)}


def test_a_rollback_goes_back_to_the_image_before(host: EngineHost) -> None:
    first = converge(host, image_options(pinned(1)))
    result = converge(host, image_options(pinned(2), "crash\n", state="restarted"))
    assert (result["rolled_back"], result["running"]) == (True, first["generation"])
    assert pinned(1) in (host.read("/etc/systemd/system/tiny.service") or b"").decode()


def test_the_method_is_switched_like_any_other_change_and_back(host: EngineHost) -> None:
    binary = converge(host, options())
    staged = converge(host, image_options(pinned(1)))
    assert (staged["stale"], staged["running"]) == (True, binary["generation"])
    assert converge(host, image_options(pinned(1), state="restarted"))["previous"] == binary["generation"]
    back = converge(host, options(state="restarted"))
    assert back["running"] == binary["generation"]


def test_the_diff_names_image_and_binary(host: EngineHost) -> None:
    converge(host, options())
    entries = converge(host, image_options(pinned(1)), check_mode=True, with_diff=True)["diff"]
    assert next(entry for entry in entries if entry["after_header"] == "image")["after"] == pinned(1) + "\n"
    assert not host.images, "check mode fetches nothing"


def test_what_is_removed_takes_its_images_along(host: EngineHost) -> None:
    converge(host, image_options(pinned(1)))
    result = converge(host, image_options(pinned(1), state="absent"))
    assert not host.images and any(pinned(1) in step for step in result["steps"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reference": "registry.example.com/tiny:latest"}, "name@sha256"),
        ({"reference": ""}, "name@sha256"),
        ({"engine": "lxc"}, "there are: docker, podman"),
        ({"program": "tinyd"}, "absolute path"),
    ],
)
def test_wrong_images_are_refused(host: EngineHost, change: Any, words: str) -> None:
    with pytest.raises(Refused, match=words):
        converge(host, image_options(pinned(1), image=change))
    assert host.points == 0


def test_a_lost_manifest_comes_back_with_the_version(host: EngineHost) -> None:
    result = converge(host, image_options(pinned(1)))
    host.remove("/opt/tiny/current/manifest.json")
    converge(host, image_options(pinned(1)))
    assert manifest_of(host, result["generation"])["version"] == "tinyd 1.0"


def test_a_look_by_a_shell_line_asks_for_the_image_too() -> None:
    wanted = from_options(image_options(pinned(1)))
    assert wanted.image and " ".join(image.question(wanted.image)) in shell_inspection.script(wanted).replace("'", "")
    engine = "stat 81ed 0 0 9 1.000000000 5 /usr/bin/podman"
    assert image.present(shell_inspection._Seen(wanted, engine + "\nimage\nover"), wanted.image)
    with pytest.raises(shell_inspection.NotSeen):
        image.present(shell_inspection._Seen(wanted, engine + "\nover"), wanted.image)


def test_a_unit_that_does_not_name_the_image_is_refused() -> None:
    with pytest.raises(Refused, match="as @image@"):
        from_options(dict(image_options(pinned(1)), unit=options()["unit"]))


def test_a_binary_s_generation_is_what_it_was_before_there_were_images() -> None:
    """Otherwise the next release of the collection would restart every daemon for nothing."""
    assert from_options(options()).generation == "fa81af2fb460"
