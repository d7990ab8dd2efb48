# SPDX-License-Identifier: GPL-2.0-only
"""How much CPU time an I/O of B may take, where one of A takes 1: what
`make bench-gate` holds each change to, and, but for the floor, the goals of
jobs/bench and jobs/bench-lib."""

LIBRARY = "libaio@our-library"
FLOOR = "fio's null + bare loop"
FLOOR_GOAL = 1.02       # not reached: engine/README.md
BOUNDS = {  # (A, B): at most
    ("libaio", "kaio"): 0.85,
    ("libaio", "kaio,submit=adaptive"): 0.60,
    (FLOOR, "kaio"): 1.25,
    ("kaio", "kaio,engine_stats=1"): 1.01,
    ("libaio", LIBRARY): 0.86,
}
