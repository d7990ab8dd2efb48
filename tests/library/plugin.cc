// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin that has the static library in it: until its object is destroyed,
 * a thread of its own waits for events.
 */
#include <atomic>
#include <cstdio>
#include <ctime>
#include <thread>

#include "libaio.h"

namespace
{
struct reader {
	io_context_t ctx = nullptr;
	std::atomic<bool> stop{false};
	int made = io_setup(4, &ctx);
	std::thread thread{[this] { wait(); }};

	void wait()
	{
		while (!stop) {
			timespec soon = {0, 20000000};
			io_event event;

			io_getevents(ctx, 1, 1, &event, &soon);
		}
	}

	~reader()
	{
		stop = true;
		thread.join();
		std::printf("made %d destroyed %d\n", made, io_destroy(ctx));
		std::fflush(stdout);
	}
} object;
} // namespace
