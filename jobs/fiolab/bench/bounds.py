# SPDX-License-Identifier: GPL-2.0-only
"""How much CPU time an I/O of B may take, where one of A takes 1: BOUNDS, what
`make bench-gate` holds each change to, and GOALS, of jobs/bench and
jobs/bench-lib.  Where they differ, the goal is missed on some machines, or so
near what is measured that a gate on it would open and shut by chance."""

LIBRARY = "libaio@our-library"
FLOOR = "fio's null + bare loop"
BOUNDS = {  # (A, B): at most
    ("libaio", "kaio"): 0.85,
    ("libaio", "kaio,submit=adaptive"): 0.68,
    (FLOOR, "kaio"): 1.25,
    ("kaio", "kaio,engine_stats=1"): 1.03,
    ("libaio", LIBRARY): 0.86,
}
GOALS = {
    **BOUNDS, ("libaio", "kaio,submit=adaptive"): 0.60, (FLOOR, "kaio"): 1.02,
    ("kaio", "kaio,engine_stats=1"): 1.01,
}
