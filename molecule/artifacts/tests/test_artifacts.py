"""Programs out of images: deployed, not to be had in every way there is, upgraded. The tests run in the order of this file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import fingerprint, programs, registry
from tests.support.cluster import Cluster
from tests.support.operator import Operator
from tests.support.programs import DB, META
from tests.support.registry import PASSWORD, USER, Registry
from tests.support.rows import Rows

HUSHED = "docker://127.0.0.1:1"


@pytest.fixture
def untouched(on: Callable[[str], Any]) -> Iterator[None]:
    """The host is the same after the test, processes and ports included."""
    hosts = {"one": on("one")}
    before = fingerprint.take(hosts, fingerprint.LIVING)
    yield
    assert fingerprint.differences(before, fingerprint.take(hosts, fingerprint.LIVING)) == []


def by_tag(reference: str) -> str:
    return reference.partition("@")[0]


@pytest.mark.usefixtures("untouched")
def test_check_mode_knows_what_a_tag_means(operator: Operator, first: Any) -> None:
    """Breaks when a host changes for it, when the tag isn't said to be one, or when an operator isn't told the digest to write down."""
    tags = {name: by_tag(reference) for name, reference in first.references.items()}
    run = operator.done("site", "--check", "--diff", **registry.variables(tags))
    assert run.changed, run.output
    said = " ".join(run.output.split())
    for reference in first.references.values():
        assert "[artifact.source]" in said and "write %s." % reference in said, run.output


def test_a_cluster_out_of_a_registry(operator: Operator, cluster: Cluster, shop: Registry, first: Any, on: Callable[[str], Any]) -> None:
    """Breaks when what is in an image isn't what runs, or when a second run needs the registry again."""
    run = operator.done("site", **registry.variables(first.references))
    assert "artifact.source" not in run.output, "a digest needs no warning:\n" + run.output
    cluster.assert_whole()
    assert_run(on("one"), first)
    shop.stop()
    again = operator.done("site")
    assert again.changed == 0, again.output
    shop.start()


@pytest.fixture(scope="module")
def rows(cluster: Cluster) -> Rows:
    written = Rows(cluster)
    written.write()
    return written


def no_such_digest(_shop: Registry, _images: Any, reference: str) -> str:
    return reference[:-8] + "00000000"


def no_such_tag(_shop: Registry, _images: Any, reference: str) -> str:
    return by_tag(reference) + "-gone"


def truncated(shop: Registry, images: Any, reference: str) -> str:
    layer = shop.blob(layers(images)[0])
    layer.write_bytes(layer.read_bytes()[:-1000])
    return reference


def changed(shop: Registry, images: Any, reference: str) -> str:
    layer = shop.blob(layers(images)[1])
    layer.write_bytes(layer.read_bytes()[:-100] + b"x" * 100)
    return reference


def down(_shop: Registry, _images: Any, reference: str) -> str:
    return HUSHED + reference[reference.index("/", len("docker://")) :]


def layers(images: Any) -> list[str]:
    layout = images.layouts[DB]
    return [entry["digest"] for entry in json.loads(layout.blob(layout.top[0]["digest"]).read_text())["layers"]]


@pytest.mark.usefixtures("rows", "untouched")
@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (no_such_digest, "it has no such tag or digest"),
        (no_such_tag, "it has no such tag or digest"),
        (truncated, "what it sent is not what the digest says"),
        (changed, "what it sent is not what the digest says"),
        (down, "nothing listens there"),
    ],
)
def test_an_image_that_cannot_be_had(operator: Operator, shop: Registry, second: Any, breaks: Any, says: str) -> None:
    """Breaks when the member, whose image is good, is changed before the data node's is known to be bad."""
    bad = breaks(shop, second, second.references[DB])
    refused(operator, says, **registry.variables({**second.references, DB: bad}))


@pytest.mark.usefixtures("rows", "untouched")
def test_a_registry_that_dies_in_the_middle_of_a_pull(operator: Operator, shop: Registry, second: Any) -> None:
    """Breaks when half of an image is kept for the next run. The manifest and some of a layer of 2 MB come through."""
    with registry.cut(shop, 500_000) as proxy:
        dying = second.references[DB].replace(shop.host, proxy.host)
        refused(operator, "it broke off in the middle: try again", **registry.variables({**second.references, DB: dying}))
        assert proxy.left <= 0, "the registry was not asked for so much that it could break off"


@pytest.mark.usefixtures("rows", "untouched")
def test_a_login_that_is_wrong(operator: Operator, locked_shop: Registry, second: Any) -> None:
    reference = locked_shop.push(second.layouts[DB], DB, "v2")
    login = {"horaedb_cluster_registry_username": USER, "horaedb_cluster_registry_password": "wrong-canary"}
    run = refused(operator, "it wants a login: set horaedb_cluster_registry_username", **login, **registry.variables({DB: reference}))
    assert "canary" not in run.output


def refused(operator: Operator, says: str, **more: Any) -> Any:
    """The sentence of the guard, with what has to be corrected."""
    run = operator.refused("upgrade", says=("[artifact.binary] one:", says, "Correct horaedb_binary or horaedb_checksum."), **more)
    assert "no host has been touched" in run.output, run.output
    return run


def test_an_upgrade_with_a_login_and_a_mirror(
    operator: Operator, cluster: Cluster, rows: Rows, locked_shop: Registry, first: Any, second: Any, on: Callable[[str], Any]
) -> None:
    """Breaks when a mirror that is down isn't passed over and named, when a password is shown, or when a generation doesn't say its version."""
    view = cluster.assert_whole()
    pushed = {name: locked_shop.push(layout, name, "v2") for name, layout in second.layouts.items()}
    mirrors: dict[str, Any] = {DB: [down(locked_shop, second, pushed[DB]), pushed[DB]], META: pushed[META]}
    login = {"horaedb_cluster_registry_username": USER, "horaedb_cluster_registry_password": PASSWORD}
    run = operator.done("upgrade", "-vvv", **login, **registry.variables(mirrors))
    assert PASSWORD not in run.output
    said = " ".join(run.output.split())
    assert "A mirror failed, and the next one was asked. %s" % mirrors[DB][0] in said, run.output
    assert_run(on("one"), second)
    assert cluster.assert_whole() == view
    rows.assert_kept()
    for daemon in ("horaemeta", "horaedb"):
        manifests = {link: on("one").check_output("cat /opt/%s/%s/manifest.json", daemon, link) for link in ("previous", "current")}
        for link, images in (("previous", first), ("current", second)):
            path = images.binaries["%s-server" % daemon]
            assert programs.digest(path) in manifests[link] and programs.number(path) in manifests[link], manifests


def assert_run(host: Any, images: Any) -> None:
    """Both processes are of the programs in these images."""
    for name, path in images.binaries.items():
        assert programs.running(host, name.removesuffix("-server")) == programs.digest(path)
