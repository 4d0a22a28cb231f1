"""Hosts: what is asked for, what the engine is told, what Ansible is told."""

from __future__ import annotations

import io
import ipaddress
import itertools
import pathlib
import shlex
import tarfile

import pytest
import yaml

from lab import engine, hosts, inventory, keys, model, network, recipe
from lab.console import LabError
from lab.model import Host, Lab


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("meta1:horaemeta", Host("meta1", ("horaemeta",))),
        ("both1:horaemeta,horaedb", Host("both1", ("horaemeta", "horaedb"))),
        ("other1", Host("other1", ())),
        ("other1:", Host("other1", ())),
    ],
)
def test_a_host_and_its_groups(text: str, host: Host) -> None:
    assert model.parse_host(text) == host


@pytest.mark.parametrize("text", ["", ":horaedb", "Meta1:horaemeta", "a_b:horaedb", "db1:hora edb", "-db:horaedb", "db1:a-b", "x" * 33])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="--host takes"):
        model.parse_host(text)


def test_hosts_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(LabError, match="more than one --host: db1"):
        model.parse_hosts(["db1:horaedb", "db1:horaemeta"], [])
    with pytest.raises(LabError, match="--without-python names hosts that no --host has: db2"):
        model.parse_hosts(["db1"], ["db2"])
    with pytest.raises(LabError, match="no hosts"):
        model.parse_hosts([], [])


def test_python_is_taken_from_the_named_host_only() -> None:
    assert [host.without_python for host in model.parse_hosts(["db1", "db2"], ["db2"])] == [False, True]


def test_a_lab_name_that_the_engine_would_refuse_is_refused_first() -> None:
    with pytest.raises(LabError, match="a lab's name"):
        Lab("Demo!")


@pytest.mark.parametrize("cgroups", [1, 2])
def test_systemd_gets_what_it_needs_and_never_everything(cgroups: int) -> None:
    flags = engine.systemd_flags(cgroups)
    assert "--privileged" not in flags
    assert {"--tmpfs=/run", "--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw"} <= set(flags)


def test_a_host_that_reboots_comes_back_and_one_that_was_stopped_stays_off() -> None:
    """Breaks when `reboot` on a host ends it for good, or when a pulled plug puts itself back."""
    assert "--restart=unless-stopped" in engine.systemd_flags(1)
    assert "lab-boot-id.service" in recipe.CUSTOMIZE and "/proc/sys/kernel/random/boot_id" in recipe.CUSTOMIZE


def test_only_cgroup_v1_is_told_to_boot_on_cgroup_v1() -> None:
    legacy = [any("LEGACY_FORCE" in flag for flag in engine.systemd_flags(version)) for version in (1, 2)]
    assert legacy == [True, False]


def test_every_lab_begins_elsewhere_and_sees_all_subnets() -> None:
    first, second = list(model.subnets(7)), list(model.subnets(8))
    assert first[1] == second[0]
    assert set(first) == set(second)
    assert len(first) == 256


ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010000C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t0000D50A\t00000000\t0001\t0\t0\t0\t0080FFFF\t0\t0\t0
"""


def test_the_kernels_routes_are_read() -> None:
    assert [str(route) for route in network.parse_routes(ROUTES)] == ["0.0.0.0/0", "192.0.2.0/24", "10.213.0.0/17"]


def test_networks_that_the_machine_reaches_are_left_alone() -> None:
    free = list(network.free_subnets(Lab("demo"), network.parse_routes(ROUTES)))
    assert len(free) == 128
    assert not any(subnet.overlaps(ipaddress.IPv4Network("10.213.0.0/17")) for subnet in free)


def test_addresses_that_are_taken_are_not_given_again() -> None:
    subnet = ipaddress.IPv4Network("192.0.2.0/24")
    free = model.free_addresses(subnet, {"192.0.2.12"})
    assert list(itertools.islice(free, 2)) == ["192.0.2.11", "192.0.2.13"]
    assert "192.0.2.255" not in model.free_addresses(subnet, set())


def rendered(folder: pathlib.Path) -> dict[str, dict[str, dict[str, object]]]:
    wanted = [Host("meta1", ("horaemeta",)), Host("both1", ("horaemeta", "horaedb")), Host("other1", ())]
    addresses = {"meta1": "192.0.2.11", "both1": "192.0.2.12", "other1": "192.0.2.13"}
    content: dict[str, dict[str, dict[str, object]]] = yaml.safe_load(inventory.render(wanted, addresses, folder / "key", folder / "known_hosts"))
    return content


def test_the_inventory_has_every_host_in_its_groups() -> None:
    everything = rendered(pathlib.Path("/lab"))["all"]
    assert everything["hosts"]["both1"] == {"ansible_host": "192.0.2.12"}
    groups = {name: sorted(group["hosts"]) for name, group in everything["children"].items()}  # type: ignore[index]
    assert groups == {"horaemeta": ["both1", "meta1"], "horaedb": ["both1"]}


def test_the_inventory_checks_host_keys_and_asks_nobody() -> None:
    variables = rendered(pathlib.Path("/a b/lab"))["all"]["vars"]
    options = shlex.split(str(variables["ansible_ssh_common_args"]))
    assert "StrictHostKeyChecking=yes" in options
    assert "UserKnownHostsFile=/a b/lab/known_hosts" in options
    assert variables["ansible_ssh_private_key_file"] == "/a b/lab/key"


def test_a_host_gets_its_identity_owned_by_root(tmp_path: pathlib.Path) -> None:
    public = keys.ensure_key(tmp_path / "db1", "db1")
    assert keys.ensure_key(tmp_path / "db1", "db1") == public
    content = io.BytesIO(keys.identity_archive(tmp_path / "db1", "ssh-ed25519 AAAA lab\n"))
    with tarfile.open(fileobj=content) as archive:
        modes = {entry.name: (entry.uid, oct(entry.mode)) for entry in archive}
    assert modes == {
        "etc/ssh/ssh_host_ed25519_key": (0, "0o600"),
        "etc/ssh/ssh_host_ed25519_key.pub": (0, "0o644"),
        "etc/ssh/lab_authorized_keys": (0, "0o644"),
    }
    assert keys.known_hosts({"db1": "192.0.2.11"}, {"db1": public}) == f"192.0.2.11 {' '.join(public.split()[:2])}\n"


def test_many_hosts_raise_the_machines_limit(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    hosts.allow_inotify(15, limit)
    assert limit.read_text() == "128\n"
    hosts.allow_inotify(20, limit)
    assert int(limit.read_text()) >= 20 * 8


def test_who_may_not_raise_the_limit_is_told_what_to_type(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="type: sudo sysctl fs.inotify.max_user_instances=320"):
        hosts.allow_inotify(20, limit)
    assert limit.read_text() == "128\n"


def test_a_stopped_host_keeps_its_address() -> None:
    labels = {"horaedb.lab": "demo", "horaedb.lab.host": "db1", "horaedb.lab.checkout": "/elsewhere", "horaedb.lab.kind": "image:1"}
    entry = {
        "Config": {"Labels": labels},
        "State": {"Status": "exited"},
        "NetworkSettings": {"Networks": {"horaedb-demo": {"IPAMConfig": {"IPv4Address": "192.0.2.11"}, "IPAddress": ""}}},
    }
    found = hosts._container(entry)
    assert (found.address, found.running, found.is_ours()) == ("192.0.2.11", False, False)
