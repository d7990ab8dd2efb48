/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An unsigned number and its bounds.  cmocka 2 deprecates assert_in_range(),
 * and its assert_uint_in_range() converts to signed numbers.  Behind
 * <cmocka.h>.
 */
#ifndef IN_RANGE_H
#define IN_RANGE_H

#define assert_within(value, least, most) \
	within((uintmax_t)(value), (uintmax_t)(least), (uintmax_t)(most), \
	       __FILE__, __LINE__)

static inline void within(uintmax_t value, uintmax_t least, uintmax_t most,
			  const char *file, int line)
{
	if (value >= least && value <= most)
		return;
	print_error("%ju is not within %ju and %ju\n", value, least, most);
	_fail(file, line);
}

#endif /* IN_RANGE_H */
