# SPDX-License-Identifier: GPL-2.0-only
# The profiles: SNIA's two, and a copy that takes minutes, for trying the
# command and for CI.  Its figures qualify nothing: the report says so.
from .model import Profile

ENTERPRISE = Profile(
    "pts-e", "SNIA PTS, enterprise", threads=4, depth=32, active=100,
    write_cache=False)
CLIENT = Profile(
    "pts-c", "SNIA PTS, client", threads=2, depth=16, active=75,
    write_cache=True)
QUICK = Profile(
    "quick", "scaled down: for trying, qualifies nothing", threads=4, depth=32,
    active=100, write_cache=True, minute=0.25, shortest=0.2, repeats=1 / 60,
    most=6, thin=True)
SHORTENED = "shortened"     # what any of them is called that --time has cut
PROFILES = {profile.name: profile for profile in (ENTERPRISE, CLIENT, QUICK)}
