# SPDX-License-Identifier: GPL-2.0-only
# Problem: something the user can act on.  Its text is the whole message: one
# sentence that says what failed, why, and what to do.  It ends the command
# with exit status 1 and no traceback.


class Problem(Exception):
    pass
