# SPDX-License-Identifier: GPL-2.0-only
# Before any module of the room imports matplotlib, which else tells whoever has
# no folder of his own, as in CI, where it keeps its cache.
import logging

logging.getLogger("matplotlib").setLevel(logging.ERROR)
