# SPDX-License-Identifier: GPL-2.0-only
"""The names of fio's options.  Some have two, and of both the one that is set
last counts; so the harness knows each option by one.  Source: fio's options.c
(alias), of 3.28 to 3.42.
"""

# another name -> the name
ALIASES = {
    "allrandrepeat": "randrepeat", "blockalign": "ba", "blocksize": "bs",
    "blocksize_range": "bsrange", "blocksize_unaligned": "bs_unaligned",
    "data_placement": "dataplacement", "disable_bw": "disable_bw_measurement",
    "fdp_pli": "plids", "fdp_pli_select": "plid_select",
    "fileoffset": "offset", "fill_fs": "fill_device", "io_limit": "io_size",
    "iodepth_batch_complete": "iodepth_batch_complete_min",
    "iodepth_batch_submit": "iodepth_batch", "iomem": "mem",
    "log_max_value": "log_window_value",
    "log_unix_epoch": "log_alternate_epoch", "mem_align": "iomem_align",
    "nr_files": "nrfiles", "ratecycle": "rate_cycle", "ratemin": "rate_min",
    "readwrite": "rw", "ss": "steadystate", "ss_dur": "steadystate_duration",
    "ss_interval": "steadystate_check_interval",
    "ss_ramp": "steadystate_ramp_time", "timeout": "runtime",
    "wait_for_previous": "stonewall"}


def canonical(name: str) -> str:
    """The one name of an option."""
    name = name.lower()
    return ALIASES.get(name, name)
