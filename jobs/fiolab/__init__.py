# SPDX-License-Identifier: GPL-2.0-only
# fiolab: the code behind jobs/ab.  cli.py reads the command line, probe.py asks
# fio about the sides and jobs, campaign.py plans and runs the pairs, fio.py
# runs one fio, target.py and device.py guard what may be written, stats.py
# reaches the verdict, report.py words it.
