"""The proof of all later tests is proved itself: whatever is touched on a host shows in its fingerprint."""

from __future__ import annotations

from conftest import Hosts

from tests.support import fingerprint

TOUCHES = {
    "echo new > /opt/new": "+ file /opt/new 644 root:root 4",
    "echo NEW > /etc/motd": "- digest",
    "touch -d 2020-01-01 /etc/issue": "- file /etc/issue",
    "chown daemon /etc/profile": "+ file /etc/profile 644 daemon:root",
    "chmod 700 /var/lib/misc": "+ folder /var/lib/misc 700",
    "mkdir /usr/local/empty": "+ folder /usr/local/empty",
    "ln -s /etc/hosts /etc/new": "+ link /etc/new root:root -> /etc/hosts",
    "useradd new": "+ user new:",
    "groupadd newer": "+ group newer:",
    "systemctl start haproxy": "+ service haproxy.service",
    "systemctl restart ssh": "- service ssh.service",
    "systemctl start etcd": ":2379",
}


def test_every_touch_is_noticed(hosts: Hosts) -> None:
    """Breaks when the fingerprint goes blind in one eye."""
    spare = {"spare": hosts["spare"]}
    before = fingerprint.take(spare)
    for command in TOUCHES:
        hosts["spare"].check_output(command)
    differences = fingerprint.differences(before, fingerprint.take(spare))
    for command, shows in TOUCHES.items():
        assert any(shows in difference for difference in differences), (command, differences)
