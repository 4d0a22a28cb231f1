# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What ends a task without success: data for programs, and a sentence for operators, which is made where the error is raised and read by nobody."""

from __future__ import annotations

from typing import Any, Dict

# Of an option that no value or no combination of values can be.
OPTION = "option"


class Failure(Exception):
    """The base of all of them. As text: what is wrong, where, and what to do.

    kind: names it for programs, and is in the result of the task that failed. Each class has one of its own.
    """

    kind = ""

    def fields(self) -> Dict[str, Any]:
        """What else a program may want to know; in the result as well."""
        return {}


def result_of(failure: Failure, sentence: str = "%s") -> Dict[str, Any]:
    """For fail_json. `sentence` is what the failure's own becomes a part of."""
    return dict(failure.fields(), msg=sentence % failure, kind=failure.kind)


def wrong_option(error: ValueError) -> Dict[str, Any]:
    """For fail_json: an option's value that can't be, as the sentence of the error says."""
    return {"msg": str(error), "kind": OPTION}
