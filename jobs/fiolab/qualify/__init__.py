# SPDX-License-Identifier: GPL-2.0-only
# Storage qualification: the SNIA performance tests, integrity and queue tests,
# acceptance limits and the report behind jobs/qualify.  suite/model.py says
# what a test is made of, suite/kinds.py how either kind of test runs,
# suite/pts.py holds SNIA's as data.
