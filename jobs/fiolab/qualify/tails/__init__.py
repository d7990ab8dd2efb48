# SPDX-License-Identifier: GPL-2.0-only
# When I/Os were late, and from which pace on: latency over time, the seconds
# that stand out, and the search for the highest rate that keeps a bound.
