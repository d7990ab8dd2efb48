/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the fuzzer's bytes to arguments.  Behind the end of the input all bytes
 * are 0.  A bad pointer is one that the kernel surely answers with EFAULT.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
	const uint8_t *data;
	size_t left;
};

static inline uint64_t take(struct input *in, size_t bytes)
{
	size_t have = bytes < in->left ? bytes : in->left;
	uint64_t value = 0;

	if (have)
		memcpy(&value, in->data, have);
	in->data += have;
	in->left -= have;
	return value;
}

static inline unsigned take8(struct input *in)
{
	return (unsigned)take(in, 1);
}

/* About a number that matters, a small one, an extreme one, any. */
static inline long take_long(struct input *in, long about)
{
	static const long extremes[] = {LONG_MAX,
					LONG_MIN,
					INT_MAX,
					INT_MIN,
					UINT_MAX,
					1L << 32,
					(1L << 32) + 1,
					LONG_MAX / 32,
					LONG_MAX / 32 + 1,
					LONG_MIN / 32,
					-1,
					1L << 59};
	unsigned how = take8(in);

	switch (how & 7) {
	case 0:
		return about;
	case 1:
		return about - 1;
	case 2:
		return about + 1;
	case 3:
		return 0;
	case 4:
		return how >> 3;
	case 5:
		return extremes[(how >> 3) %
				(sizeof(extremes) / sizeof(*extremes))];
	case 6:
		return (int8_t)take8(in);
	default:
		return (long)take(in, 8);
	}
}

static inline void *take_bad_pointer(struct input *in)
{
	static const uintptr_t bad[] = {
		0,
		1,
		8,
		4095,
		0x7ffffffff000, /* the page that no process has */
		0x7fffffffffe0,
		0x7ffffffffff8,
		0x800000000000, /* not canonical */
		0x0123456789abcdef,
		0xffff7fffffffffff,
		0xffff800000000000, /* the kernel's */
		0xffffffff81000000,
		0xffffffffffffffe0,
		0xffffffffffffffff};

	return (void *)bad[take8(in) % (sizeof(bad) / sizeof(*bad))];
}

#endif /* TESTS_FUZZ_INPUT_H */
