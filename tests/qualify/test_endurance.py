# SPDX-License-Identifier: GPL-2.0-only
# The endurance tests and --soak: the load as fio really issues it, checkpoints
# that find what is damaged or was never written, SIGKILL, going on, and limits
# of [health] that end a soak.
from collections import Counter
import dataclasses
import json
import os
import shutil
import signal
import time

import pytest

import healthdata
import qualifyparts
import soaks
import targets
from fiolab.base.problem import Problem
from fiolab.qualify import cli, planning, qualification
from fiolab.qualify.endurance import (ackguard, checkpoint, soakfacts,
                                      soakhealth, soaktest, soakwords,
                                      workloads)
from fiolab.qualify.limits import specfile
from fiolab.qualify.suite import acklog, integrity
from fiolab.qualify.suite.profiles import CLIENT, ENTERPRISE, QUICK
from fiolab.qualify.watch import healthfacts, healthsamples
from qualifyrun import sentence

pytestmark = pytest.mark.fio
MIB, DAY = 1 << 20, 86400
FIO = shutil.which(os.environ.get("FIO", "fio"))
DATA, ACKED = soakfacts.DATA[0], soakfacts.ACKED[0]


@pytest.fixture
def lab(tmp_path, shm, fio_binary, build_dir):
    with soaks.Lab(tmp_path, shm, fio_binary, build_dir) as made:
        yield made


def results(found):
    return {one["name"]: one["result"] for one in found["checks"]}


def text(found, name):
    return next(one["text"] for one in found["checks"] if one["name"] == name)


# The load, as it is issued

def stream(lab, number, depth=4):
    """[(kind, offset, bytes)] of the checkpoints, of one thread."""
    log = os.path.join(os.path.dirname(lab.path), "log")
    profile = soaks.profile(3, threads=1, depth=depth)
    found = lab.run(profile, number, [f"write_iolog={log}"])
    assert found["state"] == "done", found["why"]
    with open(log, encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return found, [(words[-3], int(words[-2]), int(words[-1]))
                   for words in lines if words[-3] in ("read", "write")]


def near(count, total, share):
    """Of a binomial distribution, six standard deviations."""
    return count / total == pytest.approx(
        share, abs=6 * (share * (1 - share) / total) ** 0.5)


def test_sizes_places_and_reads_of_the_enterprise_load(lab):
    found, ios = stream(lab, 0)
    assert len(ios) > 2000
    area = checkpoint.Area.of(soaks.SIZE, 1, _guard(lab).size)
    sizes = Counter(size for _, _, size in ios)
    wanted = {512: 4, 1024: 1, 1536: 1, 2048: 1, 2560: 1, 3072: 1, 3584: 1,
              4096: 67, 8192: 10, 16384: 7, 32768: 3, 65536: 3}
    assert set(sizes) == set(wanted)
    for size, percent in wanted.items():
        assert near(sizes[size], len(ios), percent / 100), (size, sizes)
    assert near(sum(kind == "read" for kind, *_ in ios), len(ios), 0.4)
    blocks = area.part // 4096
    first, next_ = (area.first + blocks * share // 100 * 4096
                    for share in (5, 20))
    places = Counter((at >= first) + (at >= next_) for _, at, _ in ios)
    for zone, share in enumerate((0.5, 0.3, 0.2)):
        assert near(places[zone], len(ios), share), places
    assert all((at - area.first) % 4096 == 0 and area.first <= at and
               at + size <= area.end for _, at, size in ios)
    assert found["cells"][0]["stimulus"]["read_percent"] == 40


def test_sizes_and_sequences_of_the_client_load(lab):
    """On a file nothing can be trimmed, which is said."""
    found, ios = stream(lab, 1, depth=1)
    assert {kind for kind, *_ in ios} == {"write"}
    sizes = Counter(size for *_, size in ios)
    for size, percent in ((4096, 60), (8192, 10), (16384, 10), (32768, 5),
                          (65536, 5), (131072, 10)):
        assert near(sizes[size], len(ios), percent / 100), (size, sizes)
    follows = sum(two[1] == one[1] + one[2] for one, two in zip(ios, ios[1:]))
    assert follows / len(ios) == pytest.approx(0.25, abs=0.05)
    writes, *trims = found["cells"]
    assert writes["values"]["iops"]["mean"] > 0 and len(trims) == 2
    assert all(one["values"] == {} and "block devices only" in one["why"]
               for one in trims)
    assert "not public" in found["endurance"]["said"][0]


@pytest.mark.root
def test_the_client_load_trims_a_part_of_its_own(
        need_root, tmp_path, shm, fio_binary, build_dir):
    """Which is not read back; whatever else was written is."""
    with targets.loop_of(shm, soaks.SIZE) as device, soaks.Lab(
            tmp_path, shm, fio_binary, build_dir, path=device) as lab:
        found = lab.run(number=1)
        assert found["state"] == "done", found["why"]
        assert results(found) == {DATA: "pass", ACKED: "pass"}
        _, trims, rewrites = found["cells"]
        assert trims["values"]["iops"]["mean"] > 0
        assert rewrites["values"]["iops"]["mean"] > 0
        source = trims["values"]["iops"]["sources"][0].partition("#")[0]
        with open(lab.bench.folder.file(source), encoding="utf-8") as file:
            run = json.load(file)
        job, = [one for one in run["result"]["jobs"]
                if one["jobname"] == "001-client-trims"]
        assert job["trim"]["total_ios"] > 0
        read = soaks.rounds(found)[-1]["checkpoint"]
        assert read["from"] + read["read_back_bytes"] <= soaks.SIZE
        size = soaks.SIZE // 16
        assert f"offset={read['from'] - size}\nsize={size}\n" in run["job"]


def test_blocks_that_a_device_has_not_become_larger():
    bs = workloads.ENTERPRISE.stimuli[0][0].bs
    assert workloads.fitted(bs, 512) == bs
    assert workloads.fitted(bs, 4096) == (
        "4096/77:8192/10:16384/7:32768/3:65536/3")
    assert workloads.fitted("128k", 4096) == "128k"


def _guard(lab):
    return ackguard.Guard(lab.bench, "endurance-enterprise")


def test_threads_have_parts_of_their_own_behind_the_guard():
    area = checkpoint.Area.of(100 * MIB + 512, 4, 6 * MIB + 1)
    assert area.first == 6 * MIB + checkpoint.READ
    assert area.part % checkpoint.READ == 0
    assert 0 <= 100 * MIB + 512 - area.end < 4 * checkpoint.READ + 512


# Checkpoints

def test_what_a_soak_says(lab):
    found = lab.run()
    assert (found["state"], found["why"]) == ("done", None)
    assert results(found) == {DATA: "pass", ACKED: "pass"}
    facts, made = found["endurance"], soaks.rounds(found)
    assert facts["checkpoints"] == facts["checkpoints_asked"] == 4 == len(made)
    assert facts["seconds"] == pytest.approx(2.0) == facts["asked_seconds"]
    looked = [one["checkpoint"] for one in made]
    assert facts["written_bytes"] == sum(
        result["bytes_written"] for one in made for result in one["results"]
        ) + sum(one["guard_written_bytes"] for one in looked) > 0
    assert all(one["guard_written_bytes"] > 0 for one in looked)
    assert facts["read_bytes"] > 0
    assert facts["drive_writes"] == facts["written_bytes"] / soaks.SIZE
    assert facts["drive_writes_per_day"] == pytest.approx(
        facts["drive_writes"] / 2 * DAY)
    # A part each, from where the one before ended; all after the last.
    assert [one["all"] for one in looked] == [False, False, False, True]
    area = checkpoint.Area.of(soaks.SIZE, 4, _guard(lab).size)
    assert looked[-1]["read_back_bytes"] == area.end - area.first
    table = next(one for one in found["tables"]
                 if one["title"] == "Endurance over time")
    assert len(table["rows"]) == 4
    assert table["rows"][-1][0] == pytest.approx(2 / 3600)
    assert "not at hand" in table["note"]
    assert not os.path.exists(_guard(lab).path)     # it is over


def test_a_flipped_bit_is_found_where_it_is(lab, monkeypatch):
    """In the first part that is read, and the soak ends there."""
    flipped = []

    def flip(run):
        flipped.append(run.position + 5 * 4096 + 1234)
        lab.flip(flipped[0])
    soaks.before_look(monkeypatch, 2, flip)
    found = lab.run()
    assert found["state"] == "failed" and "checkpoint 2" in found["why"]
    assert results(found)[DATA] == "fail" and len(soaks.rounds(found)) == 2
    assert (f"read back wrong, the first at byte {flipped[0] // 512 * 512}"
            in text(found, DATA))
    # Whoever goes on is told the same, and nothing more is written.
    lab.again()
    again = lab.run()
    assert (again["state"], again["why"]) == ("failed", found["why"])
    assert not lab.bench.executor.used


def test_a_write_that_was_lost_is_found_by_the_guard(lab, monkeypatch):
    """The block holds what was written there before, with all of its sums."""
    kept = {}

    def keep(run):
        kept["old"] = lab.bytes(0, run.guard.size)

    def lose(run):
        log = acklog.AckLog(run.guard.path)
        now = lab.bytes(0, run.guard.size)
        unit = log.unit
        for number, acked in enumerate(log.units["acked"]):
            old, new = (data[number * unit:(number + 1) * unit]
                        for data in (kept["old"], now))
            if acked and old != new:
                lab.put(number * unit, old)
                kept["at"] = number * unit
                return
    look = checkpoint.CheckpointRun._look
    acts = {1: keep, 3: lose}

    def changed(self, number):
        acts.get(number, lambda run: None)(self)
        return look(self, number)
    monkeypatch.setattr(checkpoint.CheckpointRun, "_look", changed)
    found = lab.run(soaks.profile(4))
    assert results(found) == {DATA: "not measured", ACKED: "fail"}
    assert f"the first at byte {kept['at']}" in text(found, ACKED)
    assert "checkpoint 3" in found["why"]


def test_another_engine_has_no_guard(tmp_path, shm, fio_binary, build_dir):
    with soaks.Lab(tmp_path, shm, fio_binary, build_dir, "libaio") as lab:
        found = lab.run()
    assert results(found) == {DATA: "pass", ACKED: "not measured"}
    assert "only the engine kaio" in text(found, ACKED)
    assert all(one["checkpoint"]["guard"] is None
               for one in soaks.rounds(found))


# Going on

def broken_off(lab, monkeypatch, number):
    """A soak that is asked to stop in that checkpoint, after its load."""
    with monkeypatch.context() as patch:
        soaks.before_look(patch, number, lambda run: lab.bench.executor.stop
                          .set())
        found = lab.run()
    assert found["state"] == "stopped"
    lab.again()
    return found


def test_it_goes_on_after_all_was_read(lab, monkeypatch):
    before = broken_off(lab, monkeypatch, 2)
    assert len(soaks.rounds(before)) == 1
    assert results(before) == {DATA: "not measured", ACKED: "pass"}
    found = lab.run()
    assert found["state"] == "done", found["why"]
    one, two, *_ = soaks.rounds(found)
    assert one == soaks.rounds(before)[0] and len(soaks.rounds(found)) == 4
    taken_up = two["checkpoint"]["taken_up"]
    area = checkpoint.Area.of(soaks.SIZE, 4, _guard(lab).size)
    assert taken_up["all"] and taken_up["read_back_bytes"] == (
        area.end - area.first)
    assert taken_up["guard"]["blocks"] > 0
    assert found["endurance"]["broken_off"] == 1
    assert found["endurance"]["seconds"] == pytest.approx(2.0)


@pytest.mark.parametrize("place", ["the range", "the guard's part"])
def test_what_was_damaged_meanwhile_is_found(lab, monkeypatch, place):
    broken_off(lab, monkeypatch, 2)
    guard = _guard(lab)
    log = acklog.AckLog(guard.path)
    at = (int((log.units["acked"] > 0).argmax()) * log.unit
          if place == "the guard's part" else soaks.SIZE // 2)
    lab.flip(at + 100)
    for _ in range(2):          # and by whoever comes after that
        found = lab.run()
        assert found["state"] == "failed", found
        assert "before the run was broken off" in found["why"]
        name = DATA if place == "the range" else ACKED
        assert results(found)[name] == "fail"
        assert str(at) in text(found, name)
        lab.again()


def test_what_another_test_wrote_over_is_no_fault(lab, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.CheckpointRun, "_demand_health",
                      lambda run, number: number == 3 and fail())

        def fail():
            raise Problem("no more.")
        assert lab.run()["why"] == "no more."
    other = next(one for one in integrity.TESTS if one.name == "backlog")
    other.run(lab.bench, other.entry())
    lab.again()
    found = lab.run()
    assert found["state"] == "done", found["why"]
    assert found["endurance"]["refilled"] == 1
    assert results(found) == {DATA: "pass", ACKED: "pass"}


def test_a_new_scratch_target_is_filled_again(lab, monkeypatch):
    broken_off(lab, monkeypatch, 2)
    lab.bench.target.created = True
    lab.put(0, bytes(soaks.SIZE))
    found = lab.run()
    assert found["state"] == "done", found["why"]
    assert found["endurance"]["refilled"] == 1
    assert results(found) == {DATA: "pass", ACKED: "pass"}


def test_after_a_restart_of_the_machine_the_log_is_not_believed(
        lab, monkeypatch):
    """What was acknowledged last may not have reached the log's disk."""
    broken_off(lab, monkeypatch, 2)
    guard = _guard(lab)
    lab.bench.folder.save_round(guard.label, {"boot": "of yesterday"})
    lab.put(0, bytes(guard.size))
    found = lab.run()
    assert found["state"] == "done", found["why"]
    made = soaks.rounds(found)
    assert made[1]["checkpoint"]["taken_up"]["guard"]["blocks"] == 0
    assert made[-1]["checkpoint"]["guard"]["blocks"] > 0


# Limits of [health]

@pytest.fixture
def drive(fake, tmp_path, monkeypatch):
    return healthdata.sampled(fake, tmp_path, monkeypatch)


def watched(lab, tmp_path, at_round=lambda number: None):
    """The soak's entry with its samples, under limits."""
    spec = tmp_path / "limits.toml"
    spec.write_text("[health]\nmax_temperature_c = 70\n"
                    "max_write_amplification = 4\n")
    bench = lab.bench
    watch = healthsamples.Watch(bench.target, healthdata.KNOWN, bench.folder,
                                "t00-health")
    bench.health, bench.sampled = watch, watch.sampled
    bench.spec = specfile.load(str(spec))

    def progress(said, _):
        number = said.partition("round ")[2].partition(" ")[0]
        if "checkpoints" in said and number:
            at_round(int(number))
    bench.progress = progress
    with watch.during("endurance-enterprise"):
        found = lab.run()
    found["health"] = watch.of("endurance-enterprise")
    healthfacts.tell([found], healthdata.KNOWN)
    return found


def test_a_soak_ends_at_the_checkpoint_in_which_a_limit_was_broken(
        lab, drive, tmp_path):
    found = watched(lab, tmp_path,
                    lambda number: drive.set(74 if number == 2 else 40))
    assert found["state"] == "failed" and found["why"] == (
        "the soak ended before checkpoint 3, as [health] is not kept: "
        "max_temperature_c = 70 and it is 74.")
    assert len(soaks.rounds(found)) == 2
    # What was written is there, as far as that goes.
    assert results(found) == {DATA: "not measured", ACKED: "pass"}
    lab.again()
    assert watched(lab, tmp_path)["why"].startswith("the soak ended before")


def test_health_and_write_amplification_stand_beside_what_was_written(
        lab, drive, tmp_path):
    def wear(number):
        drive.set(40 + number, data_units_written=str(10**6 * (8 + number)))
        drive.set_ocp(10**12 * (1 + number))
    found = watched(lab, tmp_path, wear)
    assert found["state"] == "done", found["why"]
    table = next(one for one in found["tables"]
                 if one["title"] == "Endurance over time")
    heat, ratio = (table["columns"].index(name)
                   for name in ("highest °C", "write amplification"))
    assert [row[heat] for row in table["rows"]][1:] == [42, 43, 44]
    expected = 10**12 / (10**6 * 512000)
    assert [row[ratio] for row in table["rows"]][1:] == [
        pytest.approx(expected)] * 3
    assert found["health"]["written"]["ratio"] == pytest.approx(expected, 0.2)


def test_samples_of_long_checkpoints_are_further_apart():
    assert soakhealth.every(60) == healthsamples.EVERY == 10
    assert soakhealth.every(1800) == 60


# The plan and the command line

def soak_of(days, profile=ENTERPRISE):
    test, _ = soaktest.tests(dataclasses.replace(profile, soak=days))
    return test, test.phases[1]


def test_a_soak_lasts_as_long_as_was_asked_for_in_each_profile():
    for profile in (ENTERPRISE, CLIENT, QUICK):
        for days in (3, 0.5, 1e-3):
            _, load = soak_of(days, profile)
            each = sum(profile.duration(one.seconds) for one in load.stimuli)
            assert load.rounds * each == pytest.approx(days * DAY)
            assert each <= soaktest.EACH and load.rounds >= 4
    test, load = soak_of(3)
    assert load.rounds == 144
    assert 3.2 * DAY < test.estimate(ENTERPRISE, 4e12).longest < 3.5 * DAY


def test_without_a_soak_it_has_a_time_of_its_own():
    """In the quick profile not 15 s, both of them."""
    both = soaktest.tests(QUICK)
    assert sum(one.estimate(QUICK, 256 * MIB).longest for one in both) < 15
    assert [one.phases[1].rounds for one in both] == [2, 2]
    _, load = soak_of(0)
    assert sum(one.seconds for one in load.stimuli) * load.rounds == 3600


@pytest.mark.parametrize("profile,names,wanted", [
    (ENTERPRISE, None, ["endurance-enterprise"]), (CLIENT, None, ["endurance-client"]),
    (QUICK, "endurance-client", ["endurance-client"]),
    (ENTERPRISE, "endurance", ["endurance-enterprise", "endurance-client"]),
    (ENTERPRISE, "iops,overlap", ["iops", "overlap",
                                  "endurance-enterprise"])])
def test_which_load_a_soak_has(profile, names, wanted):
    with_soak = dataclasses.replace(profile, soak=1)
    found = planning.tests_of(with_soak, soaktest.asked(names, with_soak))
    assert [one.name for one in found] == wanted
    assert soaktest.asked(names, profile) == names


def test_a_soak_is_no_test_beside_the_others():
    asked = cli.request(vars(cli.parser().parse_args(
        ["--scratch", "--soak", "0.5"])))
    profile, tests = qualification._tests(asked, [])
    assert profile.soak == 0.5 == asked.soak
    assert [one.name for one in tests] == ["endurance-enterprise"]
    assert not any(one.purges for one in tests)


@pytest.mark.parametrize("days", ["x", "0", "-1", "nan", "inf", "4000", ""])
def test_bad_days(days, capsys):
    with pytest.raises(SystemExit):
        cli.parser().parse_args(["--scratch", "--soak", days])
    assert f"'{days}' is not a number of days from 1e-05 to 3650" in (
        capsys.readouterr().err)


def test_no_soak_is_shortened():
    with pytest.raises(Problem, match="--soak lasts as long as it says"):
        cli.refuse({"scratch": True, "soak": 1.0, "time": 3600.0})


def test_a_target_too_small(qualify, shm):
    path = os.path.join(shm, "target")
    with open(path, "wb") as file:
        file.truncate(16 * MIB)
    words = ["--target", path, "--profile", "quick", "--engine", "psync"]
    done = qualify(*words, "--soak", "1", "--destroy-data")
    sentence(done, f"{path} is too small for --soak: 16.78 MB of it are used, "
             "and this takes at least 33.55 MB; give another one")
    done = qualify(*words, "--tests", "endurance", "--destroy-data",
                   "--no-pdf")
    assert done.returncode == 2, done.stderr
    assert {test["state"] for test in qualify.tests()} == {"not run"}


# SIGKILL

def acknowledged(path):
    return acklog.AckLog(str(path)).count("acks")


def test_a_soak_that_is_killed_goes_on(qualify, shm):
    """In the middle of a checkpoint: none that was finished is lost, and all
    that was written before is read."""
    path = os.path.join(shm, "target")
    with open(path, "wb") as file:
        file.truncate(soaks.SIZE)
    started = qualify.start("--target", path, "--destroy-data", "--profile",
                            "quick", "--soak", "0.0001", "--no-pdf")
    qualify.await_rounds(2, started)        # the filling, a checkpoint
    log = qualify.out / "t00-endurance-enterprise-guard.acks"
    before = acknowledged(log)
    while acknowledged(log) == before:      # in the next one
        assert started.poll() is None, started.communicate()
        time.sleep(0.05)
    started.send_signal(signal.SIGKILL)
    started.communicate(timeout=300)
    kept = qualify.rounds()
    assert 2 <= len(kept) < 5
    done = qualify("--resume", qualify.out, "--destroy-data", "--no-pdf")
    assert done.returncode in (0, 2), done.stderr
    test, = qualify.tests()
    assert test["state"] == "done", test["why"]
    now = qualify.rounds()
    assert len(now) == 5 and all(now[name] == kept[name] for name in kept)
    facts = test["endurance"]
    assert facts["seconds"] == pytest.approx(8.64) and facts["broken_off"] == 1
    assert results(test) == {DATA: "pass", ACKED: "pass"}
    made = soaks.rounds(test)
    taken_up = [one["checkpoint"]["taken_up"] for one in made]
    gone_on, = [one for one in taken_up if one]
    assert gone_on["guard"]["writes"] > made[0]["checkpoint"]["guard"]["writes"]
    page = (qualify.out / "report.html").read_text()
    for words in ("Endurance over time", "What was written reads back",
                  "not at hand"):
        assert words in page


# In words

def test_a_soak_in_a_sentence():
    test = qualifyparts.endurance()
    assert soakwords.said(test) == (
        "2.198 TB were written in 3.0 h of load (6 of 6 checkpoints): 4.58 "
        "drive writes, 36.63 a day; 630 GB were read back; it was broken off "
        "and went on 1 time. The load is like JESD219's enterprise workload.")
    assert soakwords.said({"name": "iops"}) is None
    test["endurance"] |= {"drive_writes_per_day": None, "broken_off": 0,
                          "refilled": 2}
    assert "drive writes; 630 GB were read back; it went on after filling " \
        "it again 2 times. " in soakwords.said(test)
