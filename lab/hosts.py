"""Makes, keeps and removes the hosts of a lab."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from lab import engine, image, inventory, keys, network
from lab.console import LabError, run, say, wait_until
from lab.model import Host, Lab, free_addresses
from lab.paths import CHECKOUT_TAG, LABS, ROOT, locked, write_atomically

LABEL = "horaedb.lab"
CHECKOUT_LABEL = "horaedb.lab.checkout"
BOOT_TIMEOUT = 60
WORKERS = 8
# systemd takes about 7 inotify instances per container; the usual limit of 128 hangs the 18th host in its boot.
INOTIFY_PER_HOST = 8
INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")


@dataclass(frozen=True)
class Container:
    lab: str
    host: str
    checkout: str
    kind: str
    running: bool
    address: str

    def is_ours(self) -> bool:
        return self.checkout == str(ROOT)


def containers(lab: Optional[Lab] = None) -> list[Container]:
    """Every host of every lab on this machine, or those of one lab of this checkout."""
    ids = engine.docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()
    if not ids:
        return []
    # A container may be removed by another lab between the two questions: what is gone is not a failure.
    answer = run(["docker", "inspect", *ids], check=False).stdout
    found = [_container(entry) for entry in json.loads(answer)]
    return sorted(
        (one for one in found if lab is None or (one.is_ours() and one.lab == lab.name)),
        key=lambda one: (one.checkout, one.lab, one.host),
    )


def _container(entry: Mapping[str, Any]) -> Container:
    labels = entry["Config"]["Labels"]
    # IPAMConfig is what was asked for: a stopped container has no other address, and it gets this one again.
    asked = [settings["IPAMConfig"] for settings in entry["NetworkSettings"]["Networks"].values() if settings["IPAMConfig"]]
    return Container(
        lab=labels[LABEL],
        host=labels[f"{LABEL}.host"],
        checkout=labels[CHECKOUT_LABEL],
        kind=labels[f"{LABEL}.kind"],
        running=entry["State"]["Status"] == "running",
        address=asked[0].get("IPv4Address", "") if asked else "",
    )


def _labels(lab: Lab) -> list[str]:
    return [f"--label={LABEL}={lab.name}", f"--label={CHECKOUT_LABEL}={ROOT}"]


def _kind(host: Host, image_tag: str) -> str:
    """What cannot be changed on a container that exists; a host of another kind is made anew."""
    return image_tag + (" without python" if host.without_python else "")


def _make(lab: Lab, host: Host, image_tag: str, address: str, authorized: str) -> None:
    name = lab.container(host.name)
    flags = engine.systemd_flags(engine.cgroup_version())
    labels = [*_labels(lab), f"--label={LABEL}.host={host.name}", f"--label={LABEL}.kind={_kind(host, image_tag)}"]
    place = [f"--name={name}", f"--hostname={host.name}", f"--network={lab.network}", f"--ip={address}", f"--network-alias={host.name}"]
    engine.docker("create", *place, *labels, *flags, image_tag)
    engine.docker("cp", "-", f"{name}:/", stdin=keys.identity_archive(lab.folder / host.name, authorized))
    engine.docker("start", name)
    if host.without_python:
        engine.docker("exec", name, "sh", "-c", "rm /usr/bin/python3*")


def _still_booting(container: str, address: str) -> Optional[str]:
    state = run(["docker", "exec", container, "systemctl", "is-system-running"], check=False)
    if state.stdout.strip() not in ("running", "degraded"):
        return f"{container}: systemd says {(state.stdout or state.stderr).strip()!r}"
    try:
        with socket.create_connection((address, 22), timeout=2) as connection:
            if connection.recv(4) == b"SSH-":
                return None
    except OSError as error:
        return f"{container}: sshd at {address}: {error}"
    return f"{container}: no sshd at {address}"


def _wait_for_boot(lab: Lab, host: Host, address: str) -> None:
    container = lab.container(host.name)
    try:
        wait_until(lambda: _still_booting(container, address), BOOT_TIMEOUT)
    except LabError as error:
        last = run(["docker", "logs", "--tail", "15", container], check=False)
        raise LabError(f"{error}\nits console:\n{last.stdout}{last.stderr}") from error


def allow_inotify(hosts: int, limit_file: Path = INOTIFY_LIMIT) -> None:
    """The limit counts over all containers of the machine, so it is raised for all of them."""
    wanted = hosts * INOTIFY_PER_HOST
    if not limit_file.exists() or int(limit_file.read_text()) >= wanted:
        return
    if os.geteuid() != 0:
        raise LabError(f"{hosts} hosts need more inotify instances; type: sudo sysctl fs.inotify.max_user_instances={wanted * 2}")
    say(f"raising fs.inotify.max_user_instances from {limit_file.read_text().strip()} to {wanted * 2}, for {hosts} hosts")
    limit_file.write_text(str(wanted * 2))


def _addresses(hosts: Sequence[Host], kept: Mapping[str, str], subnet: ipaddress.IPv4Network) -> dict[str, str]:
    free = free_addresses(subnet, set(kept.values()))
    try:
        return {host.name: kept.get(host.name) or next(free) for host in hosts}
    except StopIteration:
        raise LabError(f"a lab's network holds fewer than {len(hosts)} hosts") from None


@contextlib.contextmanager
def _alone(lab: Lab) -> Iterator[None]:
    with locked(f"lab-{lab.name}-{CHECKOUT_TAG}"):
        yield


def up(lab: Lab, hosts: Sequence[Host], distro: str, inventory_path: Optional[Path] = None) -> Path:
    """Bring a lab to exactly these hosts: what runs and fits is kept, what is missing made, what is too many removed."""
    image_tag = image.ensure(distro)
    with _alone(lab):
        return _up(lab, hosts, image_tag, inventory_path)


def _up(lab: Lab, hosts: Sequence[Host], image_tag: str, inventory_path: Optional[Path]) -> Path:
    started = time.monotonic()
    lab.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    subnet = network.ensure(lab, _labels(lab))
    kinds = {host.name: _kind(host, image_tag) for host in hosts}
    existing = containers(lab)
    kept = {one.host: one for one in existing if kinds.get(one.host) == one.kind and one.address}
    _remove([lab.container(one.host) for one in existing if one.host not in kept])
    allow_inotify(len(containers()) - len(kept) + len(hosts))
    addresses = _addresses(hosts, {name: one.address for name, one in kept.items()}, subnet)

    authorized = keys.ensure_key(lab.folder / "id_ed25519", f"lab {lab.name}")
    public_keys = {host.name: keys.ensure_key(lab.folder / host.name, host.name) for host in hosts}

    def raise_host(host: Host) -> None:
        if host.name not in kept:
            _make(lab, host, image_tag, addresses[host.name], authorized)
        elif not kept[host.name].running:
            engine.docker("start", lab.container(host.name))
        _wait_for_boot(lab, host, addresses[host.name])

    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(raise_host, hosts):
            pass

    known_hosts = lab.folder / "known_hosts"
    write_atomically(known_hosts, keys.known_hosts(addresses, public_keys))
    target = (inventory_path or lab.folder / "hosts.yml").absolute()
    write_atomically(target, inventory.render(hosts, addresses, lab.folder / "id_ed25519", known_hosts))
    write_atomically(lab.folder / "lab.json", json.dumps({"inventory": str(target)}))
    made = len(hosts) - len(kept)
    say(f"lab {lab.name}: {len(hosts)} hosts up in {time.monotonic() - started:.1f} s ({made} made anew), inventory {target}")
    return target


def _remove(names: Sequence[str]) -> None:
    if names:
        engine.docker("rm", "--force", "--volumes", *names)


def labs_here() -> list[Lab]:
    """The labs of this checkout, also those of which only a folder or only containers are left."""
    names = {one.lab for one in containers() if one.is_ours()}
    ending = f"-{CHECKOUT_TAG}"
    if LABS.is_dir():
        names |= {path.name[: -len(ending)] for path in LABS.iterdir() if path.name.endswith(ending)}
    return [Lab(name) for name in sorted(names)]


def down(lab: Lab) -> None:
    with _alone(lab):
        hosts = containers(lab)
        _remove([lab.container(one.host) for one in hosts])
        if network.subnet_of(lab) is not None:
            engine.docker("network", "rm", lab.network)
        notes = lab.folder / "lab.json"
        if notes.exists():
            # It would lead to hosts that are gone, or to whoever gets their addresses next.
            Path(json.loads(notes.read_text())["inventory"]).unlink(missing_ok=True)
        if lab.folder.exists():
            shutil.rmtree(lab.folder)
    say(f"lab {lab.name}: removed, {len(hosts)} hosts")


def find(lab: Lab, host: str) -> Container:
    for one in containers(lab):
        if one.host == host:
            return one
    known = ", ".join(one.host for one in containers(lab)) or "none"
    raise LabError(f"lab {lab.name} has no host {host}; it has: {known}")


def ssh_command(lab: Lab, host: str, user: str, command: Sequence[str]) -> list[str]:
    options = ["-i", str(lab.folder / "id_ed25519"), *inventory.ssh_options(lab.folder / "known_hosts")]
    return ["ssh", *options, f"{user}@{find(lab, host).address}", *command]
