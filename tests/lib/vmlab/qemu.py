# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU is told: the machine, a port for each PCI device, its disks, the
shares."""
import json

from .problem import Problem

# On a busy machine a timer that is late is none that fails.
PATIENT = "no_timer_check nowatchdog rcupdate.rcu_cpu_stall_suppress=1"
# Of a Machine: without what an emulator is slow at.
FAST = {"append": "rcupdate.rcu_expedited=1 init_on_alloc=0 apparmor=0 audit=0",
        "extra": ("-cpu", "max,erms=off,smap=off,smep=off,la57=off")}
PORTS = 120     # functions of the slots 0x10 to 0x1e


def port(index):
    """(id, part of the path in /sys/devices, address)"""
    if index >= PORTS:
        raise Problem(f"a guest has {PORTS} ports: give one device several "
                      "disks, with namespaces= or luns=")
    slot, function = 0x10 + index // 8, index % 8
    return (f"port{index}", f"/0000:00:{slot:02x}.{function}/",
            f"{slot:#x}.{function}")


def plug(device, free):
    """Give the device's PCI function one of the free ports, in whose place
    it is found in the guest."""
    for one in device.devices:
        if one.get("bus", "") is None:
            index = free.pop(0)
            one["bus"], where, _ = port(index)
            device.port = index
            device.setup = f"below {device.id} {device.disks} {where}\n" \
                + device.setup


def of_ports(count):
    for index in range(count):
        name, _, address = port(index)
        yield "-device", json.dumps({
            "driver": "pcie-root-port", "id": name, "addr": address,
            "bus": "pcie.0", "chassis": index + 1, "multifunction": True})


def of_device(device):
    for node in device.nodes:
        yield "-blockdev", json.dumps(node)
    for one in device.devices:
        yield "-device", json.dumps(one)


def plugged(device):
    """Its devices as they are plugged into a guest that runs: an NVMe
    namespace cannot follow its controller, so one is the controller's own."""
    if len(device.devices) != 2 or device.devices[0]["driver"] != "nvme":
        return device.devices
    first, *rest = device.devices
    return [{**{key: value for key, value in rest[0].items()
                if key != "nsid"}, **first}]


def of_shares(shares, bus):
    """shares: (tag, ro or rw, folder of the host, of the guest)."""
    for tag, mode, folder, _ in shares:
        path = str(folder).replace(",", ",,")
        yield "-fsdev", (f"local,id={tag},path={path},multidevs=remap,"
                         "security_model=none" +
                         ("" if mode == "rw" else ",readonly=on"))
        yield "-device", f"virtio-9p-{bus},fsdev={tag},mount_tag={tag}"


def of_clock(machine):
    """Its processors; with icount its clock is the instructions: each takes
    1 ns, and waiting none, so that what the host does leaves no trace.  Only
    one processor, though the kernel thinks that more may come: drivers make
    queues for them."""
    if not machine.icount:
        return [("-accel", "tcg,thread=multi"), ("-smp", str(machine.cpus))]
    if machine.cpus != 1:
        raise Problem("with icount a guest has one processor")
    return [("-accel", "tcg,thread=single"), ("-smp", "1,maxcpus=8"),
            ("-icount", "shift=0,sleep=off")]


def arguments(machine, channel, monitor):
    """The command line; channel, monitor: descriptors of connected
    sockets."""
    pairs = [
        *machine.arch.machine, *of_clock(machine),
        ("-m", str(machine.memory)),
        ("-display", "none"), ("-nodefaults",), ("-no-user-config",),
        ("-no-reboot",), ("-nic", "none"),
        ("-kernel", str(machine.kernel.image)),
        ("-initrd", str(machine.folder / "initrd")),
        ("-append", f"console={machine.arch.console} panic=-1 "
         f"mitigations=off {PATIENT} {'tsc=reliable ' * machine.icount}"
         f"{machine.append}"),
        ("-serial", f"file:{machine.folder}/console.log".replace(",", ",,")),
        ("-chardev", f"socket,id=monitor,fd={monitor}"),
        ("-mon", "chardev=monitor,mode=control"),
        ("-chardev", f"socket,id=channel,fd={channel}"),
        ("-device", f"virtio-serial-{machine.arch.bus}"),
        ("-device", "virtserialport,chardev=channel,name=lab"),
        *of_shares(machine.shares, machine.arch.bus), *of_ports(machine.ports)]
    for device in machine.devices:
        pairs += of_device(device)
    return [machine.arch.qemu, *(word for pair in pairs for word in pair),
            *machine.extra]
