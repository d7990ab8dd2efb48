# SPDX-License-Identifier: GPL-2.0-only
# fiolab: the code behind jobs/ab and the benchmarks.  cli.py reads the command
# line, session.py leads from there to the report, plan.py makes campaign.json,
# campaign.py runs the pairs (clients.py on other machines), fio.py runs one
# fio, store.py keeps the runs, results.py reads them, data.py judges them
# (stats.py, verdict.py) into report.json, report.py, html.py and csvout.py
# show it.
