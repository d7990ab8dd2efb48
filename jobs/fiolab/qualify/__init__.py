# SPDX-License-Identifier: GPL-2.0-only
# Storage qualification: the SNIA performance tests, integrity and queue tests,
# acceptance limits and the report behind jobs/qualify.  model.py says what a
# test is, pts.py holds SNIA's as data; runner.py runs any of them.
