# SPDX-License-Identifier: GPL-2.0-only
# The write cache in words, for the heads of the reports and the target's
# fields: "off" only where the device said so after it was set, and not because
# the profile asks for it; and what the kernel believes beside it.
from ...target.writecache import STATES, WORDS


def _of(asked, found):
    """Of one target; found: as in qualify.json, or None."""
    told, kernel = (found or {}).get("device"), (found or {}).get("kernel")
    if told is not None:
        return WORDS[told] + ("" if told == asked else ", as the device says; "
                              f"{WORDS[asked]} was asked for")
    believed, on = "not known", STATES.get(kernel)
    if on is not None:
        believed = f"{WORDS[on]}, as the kernel believes ({kernel})"
    return believed if on == asked else (
        f"{WORDS[asked]} was asked for and not set: {believed}")


def of(data):
    """Of all targets of a qualify.json."""
    asked = data["profile"]["write_cache"]
    said = {} if asked is None else {
        target["name"]: _of(asked, target.get("write_cache"))
        for target in data["targets"]}
    if len(set(said.values())) < 2:
        return next(iter(said.values()), "as it is")
    return "; ".join(f"{name}: {text}" for name, text in said.items())


def _beside(found):
    """What the device says, and what the kernel believes."""
    told, kernel = found["device"], found["kernel"]
    device = (f"not told by the device ({found.get('why') or 'not asked'})"
              if told is None else f"{WORDS[told]}, as the device says"
              + (f" ({found['how']})" if found.get("how") else ""))
    differ = None not in (told, STATES.get(kernel)) and STATES[kernel] != told
    if not kernel:
        return device
    return (f"{device}; the kernel believes {kernel}"
            + (": THEY DIFFER" if differ else ""))


def rows(target):
    """[(name, text)] of a target and of what it is made of."""
    found = target.get("write_cache")
    if not found:
        return [("Write cache", "not known")]
    return [("Write cache", _beside(found)), *_of_members(found)]


def _of_members(found, level=""):
    return [row for one in found.get("members", ()) for row in (
        (f"Write cache of {level}{one['name']}", _beside(one)),
        *_of_members(one, f"{level}{one['name']} / "))]
