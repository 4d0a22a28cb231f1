"""What a lab host consists of: a bare Debian with systemd and ssh, as a fresh machine would be."""

from __future__ import annotations

import hashlib
import os

from lab.console import LabError

REPOSITORY = "horaedb-cluster-lab"
DISTROS = ("bookworm", "bullseye", "trixie")
# One variable turns the demo and every Molecule scenario to another release of Debian.
DISTRO_VARIABLE = "LAB_DISTRO"

PACKAGES = (
    "dbus",  # without it `shutdown -r 0`, which is how Ansible reboots, has nobody to ask
    *("systemd", "systemd-sysv", "kmod", "openssh-server", "sudo", "python3", "ca-certificates"),
    *("iproute2", "iputils-ping", "procps", "curl", "nftables", "iptables", "logrotate"),
    *("liblzma5", "zlib1g"),  # horaedb-server is linked against them
    *("etcd-server", "etcd-client"),  # the simulator runs a real etcd
    *("haproxy", "podman", "crun"),  # the roles install them where they are missing; here no package needs to be fetched during a test
)

# One user that may become root at once, one that is asked for a password: both ways of `become` can be tested.
SUDO_USER = "ops"
SUDO_USER_WITH_PASSWORD = "ops-asked"
SUDO_PASSWORD = "lab-password"

# A password once given must not make a later wrong one pass.
SUDOERS = f"""\
{SUDO_USER} ALL=(ALL) NOPASSWD: ALL
{SUDO_USER_WITH_PASSWORD} ALL=(ALL) ALL
Defaults:{SUDO_USER_WITH_PASSWORD} timestamp_timeout=0
"""

# A container has its kernel's boot id, which doesn't change when the container boots; a machine has a new one each time,
# by which Ansible's `reboot` sees that it happened.
BOOT_ID_UNIT = """\
[Unit]
Description=Give this boot an id of its own
DefaultDependencies=no
Before=systemd-journald.service sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'cat /proc/sys/kernel/random/uuid > /run/boot_id && mount --bind /run/boot_id /proc/sys/kernel/random/boot_id'

[Install]
WantedBy=sysinit.target
"""

# A host's own filesystem is an overlay already, and there is none on top of another.
STORAGE = """\
[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
"""

SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/lab_authorized_keys
PasswordAuthentication no
UseDNS no
MaxStartups 100
"""

CUSTOMIZE = f"""\
set -eu
root="$1"
cat > "$root/etc/ssh/sshd_config.d/lab.conf" <<'END'
{SSHD}END
cat > "$root/etc/containers/storage.conf" <<'END'
{STORAGE}END
rm -f "$root"/etc/ssh/ssh_host_*
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\\nStorage=volatile\\n' > "$root/etc/systemd/journald.conf.d/lab.conf"
chroot "$root" useradd --create-home --shell /bin/bash {SUDO_USER}
chroot "$root" useradd --create-home --shell /bin/bash {SUDO_USER_WITH_PASSWORD}
echo '{SUDO_USER_WITH_PASSWORD}:{SUDO_PASSWORD}' | chroot "$root" chpasswd
cat > "$root/etc/sudoers.d/lab" <<'END'
{SUDOERS}END
chmod 0440 "$root/etc/sudoers.d/lab"
cat > "$root/etc/systemd/system/lab-boot-id.service" <<'END'
{BOOT_ID_UNIT}END
chroot "$root" systemctl enable lab-boot-id.service
chroot "$root" systemctl set-default multi-user.target
chroot "$root" systemctl enable ssh.service
chroot "$root" systemctl disable etcd.service haproxy.service
chroot "$root" systemctl mask getty@.service console-getty.service dev-hugepages.mount \\
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \\
    apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer systemd-firstboot.service \\
    podman.socket podman.service podman-restart.service podman-auto-update.service podman-auto-update.timer
: > "$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/hostname"
: > "$root/etc/resolv.conf"
"""


def default_distro() -> str:
    distro = os.environ.get(DISTRO_VARIABLE) or DISTROS[0]
    if distro not in DISTROS:
        raise LabError(f"{DISTRO_VARIABLE} is {distro!r}; there are: {', '.join(DISTROS)}")
    return distro


def tag(distro: str) -> str:
    """The image's name carries a digest over all that goes in: a changed recipe is another image."""
    digest = hashlib.sha256("\0".join((distro, *PACKAGES, CUSTOMIZE)).encode()).hexdigest()[:10]
    return f"{REPOSITORY}:{distro}-{digest}"
