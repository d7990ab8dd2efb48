# SPDX-License-Identifier: GPL-2.0-only
# What a lab's records say of a run and of a device before any figure, as
# [(name, text)], for every form of the report: who made it, with which sample,
# the fields of the spec's [record], what was tested and by what.
from ...report import wording
from ..report import phrases


def fields(data):
    """The operator, then the spec's own fields, in its order."""
    known = data.get("record") or {}
    made = [("Operator", known["operator"])] if known.get("operator") else []
    return made + [(wording.label(name), text)
                   for name, text in known.get("fields", {}).items()]


def sample(target):
    """'sample 17', where it was given."""
    return f"sample {target['sample']}" if target.get("sample") else None


def run(data):
    profile = data["profile"]
    return [*fields(data), ("Profile", f"{profile['name']}: "
                            f"{profile['title']}"),
            ("Engine", data["engine"]), ("fio", data["fio"]["version"]),
            ("Kernel", data["environment"]["kernel"]),
            ("Seed", str(data["seed"]))]


def device(target):
    identity = target["identity"]
    found = [("Device", phrases.device(target)),
             *((wording.label(name), str(identity[name]))
               for name in ("serial", "firmware") if identity.get(name)),
             ("Capacity", wording.decimal_size(target["size_bytes"]))]
    number = target.get("sample")
    return [("Sample", number), *found] if number else found
