"""A few of the real metric names, so that a scrape has something to check."""

from __future__ import annotations

import threading
from typing import List, Mapping

HELP = "# HELP %s %s\n# TYPE %s %s\n"


def exposition(counters: Mapping[str, int]) -> str:
    parts: List[str] = []
    for name in ("META_DATA_CACHE_HIT", "META_DATA_CACHE_MISS"):
        parts.append(HELP % (name, "The counter for meta data cache", name, "counter") + "%s 0\n" % name)
    name = "compaction_pending_request_gauge"
    parts.append(HELP % (name, "Pending request queue length of compaction", name, "gauge") + "%s 0\n" % name)
    name = "grpc_handler_counter"
    parts.append(HELP % (name, "Grpc handler counter", name, "counter"))
    parts.extend('%s{type="%s"} %d\n' % (name, kind, count) for kind, count in counters.items())
    name = "runtime_thread_alive_gauge"
    parts.append(HELP % (name, "alive thread number for runtime", name, "gauge"))
    parts.append('%s{name="simulator"} %d\n' % (name, threading.active_count()))
    return "".join(parts)
