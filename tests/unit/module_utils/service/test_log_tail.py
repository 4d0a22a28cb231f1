"""Why a daemon isn't ready, chosen from logs as the real daemons of 2.1.0 write them."""

from __future__ import annotations

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.common.redact import Redactor
from ansible_collections.horaedb.cluster.plugins.module_utils.service.log_tail import excerpt

# HoraeMeta 2.1.0, with tabs between the parts.
META_CONFIG = (
    "2026-11-27T09:45:59.635Z\tinfo\tconfig/config.go:378\tget config from toml\t"
    '{"configFile": "/etc/horaemeta/horaemeta.toml"}\n'
    "2026-11-27T09:45:59.636Z\tinfo\tconfig/config.go:385\ttoml config value\t"
    '{"config": "node-name = \\"m1\\"\\naddr = \\"192.0.2.11\\"\\n"}\n'
    "2026-11-27T09:45:59.636Z\tinfo\thoraemeta-server/main.go:98\tserver start with version: HoraeMeta Server\n"
    "Git commit:\nGit branch:\nBuild date:\n"
    "2026-11-27T09:45:59.636Z\tinfo\thoraemeta-server/main.go:100\tserver start with config\t"
    "{\"config\": \"enable-embed-etcd = true\\nnode-name = 'm1'\\n\"}\n"
)
META_FRAMES = (
    "main.main\n\t/build/horaemeta/cmd/horaemeta-server/main.go:124\nruntime.main\n\t/usr/local/go/src/runtime/proc.go:290\n"
)
STACK = (
    "\\ngithub.com/apache/incubator-horaedb-meta/pkg/coderr.(*codeError).WithCausef\\n\\t/build/horaemeta/pkg/coderr/error.go:91"
    "\\nmain.main\\n\\t/build/horaemeta/cmd/horaemeta-server/main.go:123"
)


def failed_to_run(cause: str) -> str:
    return (
        META_CONFIG
        + '2026-11-27T09:46:05.650Z\terror\thoraemeta-server/main.go:124\tfail to run server\t{"error": "%s%s"}\n' % (cause, STACK)
        + META_FRAMES
    )


@pytest.mark.parametrize(
    "cause",
    [
        "(#500)start etcd server timeout, cause:timeout is:6s",
        "(#500)start embed etcd, cause:listen tcp 192.0.2.12:2379: bind: address already in use",
        "(#500)start embed etcd, cause:listen tcp 192.0.2.1:2380: bind: cannot assign requested address",
    ],
)
def test_a_member_that_can_not_start(cause: str) -> None:
    said = "2026-11-27T09:46:05.650Z error horaemeta-server/main.go:124 fail to run server: " + cause
    assert excerpt(failed_to_run(cause), 20) == said
    assert excerpt(failed_to_run(cause) * 5, 20) == said, "of a crash loop once"


def test_an_error_with_two_texts_of_the_same_cause() -> None:
    line = (
        '2026-11-27T09:46:59.049Z\terror\thoraemeta-server/main.go:124\tfail to run server\t{"error": "could not be parsed to topologyType, '
        'rawString:sttic: (#500)parse topology type, cause:<nil>", "errorVerbose": "(#500)parse topology type, cause:<nil>\\ncould not be"}\n'
    )
    assert excerpt(META_CONFIG + line + META_FRAMES, 20).endswith("rawString:sttic: (#500)parse topology type, cause:<nil>")


def test_a_panic_of_go_without_its_goroutines() -> None:
    """On a half written etcd directory: the logger's output, and then standard error."""
    text = META_CONFIG + (
        "panic: failed to open database\n\n"
        "goroutine 135 [running]:\n"
        "go.uber.org/zap/zapcore.CheckWriteAction.OnWrite(0x2?, 0x1286065?, {0x0?, 0x0?, 0x3228413feee0?})\n"
        "\t/go/pkg/mod/go.uber.org/zap@v1.27.0/zapcore/entry.go:196 +0x54\n"
        "go.etcd.io/etcd/server/v3/mvcc/backend.New(...)\n"
        "\t/go/pkg/mod/go.etcd.io/etcd/server/v3@v3.5.12/mvcc/backend/backend.go:163\n"
        "created by go.etcd.io/etcd/server/v3/etcdserver.openBackend in goroutine 1\n"
        "\t/go/pkg/mod/go.etcd.io/etcd/server/v3@v3.5.12/etcdserver/backend.go:75 +0x19a\n"
    )
    assert excerpt(text, 20) == "panic: failed to open database"


def test_a_crash_of_go_says_which_signal() -> None:
    text = META_CONFIG + (
        "panic: runtime error: invalid memory address or nil pointer dereference\n"
        "[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0xd0c0a4]\n\n"
        "goroutine 306 [running]:\n"
        "github.com/apache/incubator-horaedb-meta/server/member.(*Member).GetLeaderAddr(0x0, {0x14c2d70, 0xc000b0c120})\n"
        "\t/build/server/member/member.go:108 +0x44\n"
    )
    assert excerpt(text, 20) == "panic: runtime error: invalid memory address or nil pointer dereference"


def test_a_file_that_can_not_be_read_is_told_by_both_streams() -> None:
    text = (
        '2026-11-27T09:46:56.475Z\tinfo\tconfig/config.go:385\ttoml config value\t{"config": "addr = [\\n"}\n'
        '2026-11-27T09:46:56.475Z\terror\tconfig/config.go:389\terr\t{"error": "toml: array is incomplete"}\n'
        "github.com/apache/incubator-horaedb-meta/server/config.(*Parser).ParseConfigFromToml\n\t/build/server/config/config.go:389\n"
        "panic: fail to parse config from toml file, err:unmarshal toml config, configFile:bad.toml: toml: array is incomplete\n\n"
        "goroutine 1 [running]:\nmain.panicf(...)\n\t/build/cmd/horaemeta-server/main.go:49\n"
    )
    assert excerpt(text, 20).splitlines() == [
        "2026-11-27T09:46:56.475Z error config/config.go:389 err: toml: array is incomplete",
        "panic: fail to parse config from toml file, err:unmarshal toml config, configFile:bad.toml: toml: array is incomplete",
    ]


# HoraeDB 2.1.0.
DB_CONFIG = (
    'HoraeDB server tries starting with config:Config { node: NodeInfo { addr: "192.0.2.21", zone: "" }, key_secret: "canary" }\n'
    "2026-11-27 10:00:00.001 INFO [src/horaedb/src/setup.rs:135] Server starts up, config:Config {\n    node: NodeInfo {\n"
    '        addr: "192.0.2.21",\n        key_secret: "canary",\n    },\n}\n'
    "2026-11-27 10:00:00.002 INFO [src/cluster/src/cluster_impl.rs:349] Cluster is starting with config:ClusterConfig { cmd_channel_buffer_size: 0 }\n"
)
DB_FRAMES = (
    "   0: panic_ext::set_panic_hook::{{closure}}\n             at /build/src/components/panic_ext/src/lib.rs:55:18\n"
    "   1: <unknown>\n  17: <unknown>\n"
)
HEARTBEAT = (
    "2026-11-27 10:00:%02d.100 INFO [src/meta_client/src/meta_impl.rs:249] Meta client try to send heartbeat req:NodeHeartbeatRequest { n: %d }\n"
    "2026-11-27 10:00:%02d.101 INFO [src/meta_client/src/meta_impl.rs:261] Meta client finish sending heartbeat, resp:NodeHeartbeatResponse { }\n"
)


def heartbeats(count: int) -> str:
    return "".join(HEARTBEAT % (second, second, second) for second in range(count))


def test_a_panic_before_the_configuration_frames_and_heartbeats() -> None:
    panic = (
        "2026-11-27 10:00:01.000 ERRO [src/components/panic_ext/src/lib.rs:57] thread 'main' panicked 'RocksDB WAL not bundled!' "
        'at "src/horaedb/src/setup.rs:154"'
    )
    text = (DB_CONFIG + heartbeats(20) + panic + "\n" + DB_FRAMES + heartbeats(30)) * 3
    assert excerpt(text, 20) == panic


def test_a_cause_in_the_middle_of_what_repeats_itself() -> None:
    cause = (
        "2026-11-27 10:00:0%d.000 ERRO [src/cluster/src/shard_lock_manager.rs:100] Failed to open shard, shard_id:%d, err:Failed to grant lease, "
        "err:transport error: error trying to connect: tcp connect error: Connection refused (os error 111)"
    )
    text = DB_CONFIG + "".join(cause % (n, n) + "\n" + heartbeats(10) for n in range(8))
    assert excerpt(text, 20) == cause % (0, 0)


REFUSED = 'status: Unavailable, message: "error trying to connect: tcp connect error: Connection refused (os error 111)"'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "2026-11-27 10:25:23.827 ERRO [src/server/src/grpc/meta_event_service/mod.rs:410] Failed to open shard, shard_id:3, err:Server error, "
            "code:Internal, message:fail to open shard, id:3, cause:Fail to open shard, msg:Shard is already in opening.\n"
            "Backtrace:\n27 start_thread\n   ./nptl/pthread_create.c:442\n28 clone3\n   ./misc/../sysdeps/unix/sysv/linux/x86_64/clone3.S:81\n\n",
            "cause:Fail to open shard, msg:Shard is already in opening.",
        ),
        (
            "2026-11-27 10:25:41.334 ERRO [src/components/panic_ext/src/lib.rs:57] thread 'horaedb-meta' panicked 'Close shard failed, and we have "
            "to panic to ensure the data integrity, shard_id:2, err:Server error, code:Internal, message:fail to release shard lock, cause:Failed to "
            "revoke the lease, shard_id:2, err:grpc request error: " + REFUSED + ".\nBacktrace:\nBacktrace(   0: <unknown>\n   1: <unknown>\n"
            "  30: start_thread\n             at ./nptl/pthread_create.c:442:8\n)' at \"src/server/src/grpc/meta_event_service/mod.rs:313\"\n"
            "   0: <unknown>\n   1: <unknown>\n",
            REFUSED + ". ' at \"src/server/src/grpc/meta_event_service/mod.rs:313\"",
        ),
        (
            "2026-11-27 10:28:21.135 ERRO [src/components/panic_ext/src/lib.rs:57] thread 'main' panicked 'fail to build meta client: FailConnect { "
            'addr: "http://192.0.2.11:2379", source: tonic::transport::Error(Transport, hyper::Error(Connect, ConnectError("tcp connect error", '
            'Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }))), backtrace: Backtrace(   0: <unknown>\n   1: <unknown>\n'
            ") }' at \"src/horaedb/src/setup.rs:324\"\n   0: <unknown>\n",
            'message: "Connection refused" }))) }\' at "src/horaedb/src/setup.rs:324"',
        ),
    ],
)
def test_the_three_forms_of_rusts_frames(text: str, told: str) -> None:
    said = excerpt(text, 20)
    assert said.endswith(told)
    assert "start_thread" not in said and "Backtrace" not in said and "unknown" not in said


def test_what_horaemeta_said_is_passed_on_without_its_stack() -> None:
    quoted = (
        "2026-11-27 10:00:01.000 ERRO [src/components/panic_ext/src/lib.rs:57] thread 'main' panicked 'Fail to create default schema: "
        'CreateSchemaWithCause { catalog: "horaedb", schema: "public", source: BadResponse { code: 404, msg: "grpc alloc schema id'
        '\\ngithub.com/apache/incubator-horaedb-meta/server.(*Server)\\n\\t/build/server.go:1" }, backtrace: Backtrace(()) }\' '
        'at "src/server/src/server.rs:229"'
    )
    plain = (
        "2026-11-27 10:00:02.000 ERRO [src/cluster/src/cluster_impl.rs:136] Send heartbeat to meta failed, err:Bad response, resp code:404, "
        "msg:grpc heartbeat: (#404)cluster not found, cause:cluster name:nope\n"
        "github.com/apache/incubator-horaedb-meta/pkg/coderr.(*codeError).WithCausef\n\t/build/pkg/coderr/error.go:91\n"
        "net/http.(*conn).serve\n\t/usr/local/go/src/net/http/server.go:3311.\n"
    )
    told = excerpt(DB_CONFIG + quoted + "\n" + DB_FRAMES + plain, 20)
    assert "/build" not in told and "coderr" not in told and "Backtrace" not in told
    first, second = told.splitlines()
    assert first.endswith("msg: \"grpc alloc schema id\" } }' at \"src/server/src/server.rs:229\"")
    assert second.endswith("(#404)cluster not found, cause:cluster name:nope")


def test_a_file_that_an_error_quotes_is_left_out_and_a_panic_without_a_logger_is_found() -> None:
    text = (
        "thread 'main' panicked at src/horaedb/bin/horaedb-server.rs:84:65:\n"
        'Failed to parse config.: ParseToml { path: "/etc/horaedb/horaedb.toml", source: Error { inner: TomlError { message: "invalid type: map, '
        'expected unit struct RocksDBStorageConfig", original: Some("[node]\\naddr = \\"192.0.2.21\\"\\nkey_secret = \\"canary\\"\\n"), '
        'keys: ["analytic", "wal"], span: Some(10..20) } }, backtrace: Backtrace(()) }\n'
        "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n"
    )
    assert excerpt(text, 20) == (
        "thread 'main' panicked at src/horaedb/bin/horaedb-server.rs:84:65: Failed to parse config.: ParseToml { path: "
        '"/etc/horaedb/horaedb.toml", source: Error { inner: TomlError { message: "invalid type: map, expected unit struct '
        'RocksDBStorageConfig", keys: ["analytic", "wal"], span: Some(10..20) } } }'
    )


def test_errors_without_a_panic_have_what_was_done_last_beside_them() -> None:
    error = "2026-11-27 10:00:01.000 ERRO [src/a.rs:1] Failed to open shard"
    last = ["2026-11-27 10:00:0%d.000 INFO [src/a.rs:2] step %s" % (n, word) for n, word in enumerate("abcd")]
    assert excerpt("\n".join([error, *last]), 20).splitlines() == [error, *last[1:]]


def test_without_an_error_there_are_warnings_and_without_those_what_was_done_last() -> None:
    warning = "2026-11-27 10:00:01.000 WARN [src/a.rs:1] retrying"
    info = ["2026-11-27 10:00:02.000 INFO [src/a.rs:2] step %s" % word for word in "abcdef"]
    assert excerpt("\n".join([*info, warning]), 20).splitlines() == [*info[3:], warning]
    assert excerpt("\n".join(info), 4).splitlines() == info[2:]


def test_the_same_error_of_two_requests_is_told_once() -> None:
    error = '2026-11-27 10:31:2%d.140 ERRO [src/proxy/src/grpc/sql_query.rs:58] Failed, request_id: RequestId("%s"), err:Table not found'
    requests = [error % (8, "c280dbd3-da06-46ed-91a4-8175b692abad"), error % (9, "8a88457b-fd23-482c-9387-85807e4139a8")]
    assert excerpt("\n".join(requests), 20) == requests[0]


def test_of_many_errors_panics_come_first_and_then_the_earliest() -> None:
    errors = ["2026-11-27 10:00:01.000 ERRO [src/a.rs:1] error %s" % chr(97 + n) for n in range(26)]
    panic = "2026-11-27 10:00:03.000 ERRO [src/b.rs:1] thread 'main' panicked 'x' at \"src/c.rs:1\""
    assert excerpt("\n".join([*errors, panic]), 5).splitlines() == [*errors[:4], panic]


def test_a_long_error_keeps_its_cause_and_a_secret_is_masked_before_anything_is_cut() -> None:
    long = "2026-11-27 10:00:01.000 ERRO [src/a.rs:1] Failed, key_secret: \"canary%s\" %s, err:Connection refused" % ("x" * 400, "plan " * 400)
    told = excerpt(long, 20, Redactor(["canary"]).mask)
    assert len(told) < 1100 and told.endswith(", err:Connection refused") and "canary" not in told and "xxx" not in told


def test_a_log_in_another_form_has_its_last_lines_each_once() -> None:
    text = "[NOTICE] (1) : starting\n[ALERT] (1) : cannot bind\n[ALERT] (2) : cannot bind\nlast\n"
    assert excerpt(text, 2) == "[ALERT] (2) : cannot bind\nlast"
    assert excerpt("", 20) == ""
