# SPDX-License-Identifier: GPL-2.0-only
# kaio: the AIO library (aio/), the fio engine (engine/) and the jobs.
# Everything is built into O; `make help` prints the lines that begin with #>.
#
#> make            build the library, the engine and jobs/loops into O=build
#> make engines    FIO_SRCS="DIR DIR ...": O/engines/fio-kaio.so, one engine
#>                 for all these built fio trees; it picks what fits
#> make ab         kaio against fio's built-in libaio, about a minute
#>                 (AB_ARGS="..." passes options on; see jobs/ab --help)
#> make bench      kaio against fio's own engines and a bare loop, ~7 minutes
#>                 (BENCH_ARGS="..." passes options on; see jobs/bench --help)
#> make bench-lib  our libaio.so.1 against the distribution's, 2-3 minutes
#>                 (BENCH_ARGS="..." passes options on; jobs/bench-lib --help)
#> make bench-gate  fail if CPU per I/O is worse than recorded, beyond doubt;
#>                 at most 3 minutes
#> make qualify    the storage qualification scaled down, on a scratch target,
#>                 up to 10 minutes (QUALIFY_ARGS="...": jobs/qualify --help)
#> make check      the quick tests, without root, in about a minute; T=engine,
#>                 T=test_guard, T=NAME: those of a subject, a file, a test
#> make test       the tests, in about ten minutes on two CPUs
#> make test-slow  the rest of the tests: whole qualifications, simulations
#> make test-vm    tests on many kinds of devices, in virtual machines; skipped
#>                 without QEMU; make test-vm-quick: those that CI runs
#> make test-fio   FIO_SRCS="DIR DIR ...": the engine on other built fio trees,
#>                 and each engine refused by each other fio
#> make test-conformance  hours: every combination beside libaio, and
#>                 100,000 job files (KAIO_CONFORMANCE=N, FUZZ_JOBS=N: fewer)
#> make coverage   what of C and Python the tests run, and what not, by line
#> make lint       formatting, include rules, rooms, linters, -Werror
#> make deps       install what the targets need (each does so itself too)
#> make man        the manual pages of jobs/, into O/man
#> make install    into prefix=/usr/local (DESTDIR=, libdir=, enginedir=); with
#>                 FIO_SRCS= the engine for all of them; make uninstall
#> make install-tools  the commands, as kaio-ab and so on, and kaio-run
#> make dist       the source archive O/kaio-VERSION.tar.xz; the same each time
#> make deb        Debian packages, in O/deb      make rpm  RPMs, in O/rpm
#> make clean      remove O               make version  say which this is
#>
#> FIO=PATH        the fio to build for (default: the one on PATH)
#> FIO_SRC=DIR     its source tree, if it is not the distribution's package
#> O=DIR           build folder          V=1  show the commands
#> SAN=address,undefined: build and test with sanitizers; SAN=thread: the
#>                 same for the tests in which fio's jobs are threads
#> NO_INSTALL=1    never install packages: say what is missing and stop

O        ?= build
FIO      ?= fio
prefix   ?= /usr/local
libdir   ?= $(prefix)/lib
# Where a fio with dynamic engines looks for ioengine=kaio: .setup/engine-dir.
enginedir ?= $(libdir)/fio
# As kaio-run names it; a package for several architectures uses $LIB (ld.so(8)).
any_libdir ?= $(libdir)
CFLAGS   ?= -O2 -g
PYTHON   := /usr/bin/python3
export FIO FIO_SRC NO_INSTALL

# Paths that make or the shell would take apart.
ifneq ($(words $(O)),1)
$(error O='$(O)' must be one folder name without spaces)
endif
ifneq ($(filter-out /%,$(libdir) $(prefix) $(enginedir)),)
$(error prefix='$(prefix)', libdir='$(libdir)' and enginedir='$(enginedir)' must begin with /)
endif
export O CC CXX SAN

ifneq ($(V),1)
Q        := @
say       = @printf '  %-8s %s\n' $(1) $(2);
endif

# Debian's musl-gcc does not look for the kernel's headers, which lie beside
# glibc's own.
KERNEL   := $(if $(findstring musl,$(CC)),$(addprefix -idirafter /usr/include, \
	      / /$(shell $(CC) -print-multiarch)))
WARN     := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer \
	      -fno-sanitize-recover=all)
VERSION  := $(shell cat .setup/version)
# The same sources make the same files, wherever they lie.
HERE      = "-ffile-prefix-map=$(CURDIR)=."
ALLFLAGS  = -std=gnu11 -fPIC $(WARN) $(SANFLAGS) $(HERE) -Iaio \
	    -D_FILE_OFFSET_BITS=64 -D_GNU_SOURCE -MMD -MP $(KERNEL) $(CFLAGS) \
	    -fvisibility=default
LINK      = $(CC) $(SANFLAGS) $(CFLAGS) $(LDFLAGS)
FIOFLAGS  = -isystem $(H)/fio -include $(H)/fio/config-host.h -DFIO_INTERNAL \
	    -DKAIO_FIO_VERSION='"$(shell cat $(H)/fio/.version)"' \
	    -DKAIO_VERSION='"$(VERSION)"'

AIO_OBJS    := $(patsubst %,$(O)/aio/%.o,libaio ring gate contexts refill \
		 refill_call wait limits holders probe)
QUEUE_OBJS  := $(patsubst %,$(O)/engine/%.o,queue queue_setup queue_reap \
		 queue_again spin_auto stats stats_file explain rwf stuck keeper inside \
		 arrival lateness windows pace acklog)
# The half that knows fio's headers, and what is there once (engine/half.h).
H           ?= $(O)
FIO_OBJS    := $(patsubst %,$(H)/engine/%.o,kaio kaio_reap job hold report aiolimit \
	       open_file options guard table layout watch due acked at_once)
ONCE_OBJS   := $(O)/engine/pick.o $(QUEUE_OBJS)
UNITS       := $(patsubst tests/%.c,$(O)/tests/%,$(wildcard \
		 tests/*/test_*.c))
# They stand between the library and the kernel (tests/lib/seam.h).
FAULTS      := $(shell grep -l '"fault.h"' tests/*/test_*.c)
# TSan: what has threads.  fio's own offloading hangs under it, with libaio as
# well; the models of the gate have one thread, and take minutes.
ifeq ($(SAN),thread)
UNITS       := $(filter-out %/test_gate_model %/test_gate_orders %/test_weak, \
	       $(UNITS))
KAIO_PYTEST ?= -k 'engine/ and (features or remote or conformance or verify or \
	       sync or stream or limits) and not process and not default and \
	       not offload and not qualify'
endif
# There is nothing to sanitize in the harness.
ifeq ($(SAN),address,undefined)
KAIO_PYTEST ?= --ignore=tests/ab --ignore=tests/qualify
endif
export KAIO_PYTEST
LOOPS       := $(addprefix $(O)/loops/,bareloop callloop returns)
LIBS        := $(addprefix $(O)/,libaio.so.1 libaio.so libaio.so.1t64 libaio.a)

.PHONY: all lib engine loops ab bench bench-gate bench-lib qualify test test-fio \
	test-vm test-vm-quick \
	engines check coverage test-slow test-conformance lint man install install-tools uninstall clean help deps version \
	dist deb rpm \
	build-tests \
	FORCE
.DELETE_ON_ERROR:
all: lib engine loops
lib: $(LIBS)
engine: $(O)/fio-kaio.so
loops: $(LOOPS)

# --- set-up: first of all, each time; .flags changes only with the flags ---
$(O)/.flags: FORCE
	$(Q).setup/packages build && mkdir -p $(O)
	$(Q)[ -e $@ ] || .setup/packages probes || :
	$(Q)flags='$(CC) $(ALLFLAGS) $(LDFLAGS)' without=''; \
	echo '#include <sys/sdt.h>' | \
		$(CC) $(KERNEL) $(CFLAGS) -E -x c - >/dev/null 2>&1 || \
		without=' without <sys/sdt.h>'; \
	[ "$$flags$$without" = "$$(cat $@ 2>/dev/null)" ] || { \
		echo "$$flags$$without" >$@ || exit; \
		[ -z "$$without" ] || echo "the library gets no trace points," \
			"as there is no <sys/sdt.h>; if you want them," \
			"install it (Debian: systemtap-sdt-dev) and make again"; }

# --- the library ---
# LTO drops the symbol versions that an asm statement sets.
$(O)/aio/compat.o: private ALLFLAGS += -fno-lto

$(O)/aio/%.o: aio/%.c $(O)/.flags
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(ALLFLAGS) -c -o $@ $<

# Assembly: empty but on x86-64.  Not all options of a compiler are its own.
$(O)/aio/%.o: aio/%.S $(O)/.flags
	$(call say,AS,$<)mkdir -p $(@D) && \
		$(CC) $(HERE) $(CFLAGS) -MMD -MP -c -o $@ $<

$(O)/libaio.a: $(AIO_OBJS) Makefile
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $(AIO_OBJS)

$(O)/libaio.so.1: $(addprefix $(O)/aio/,libaio.o ring.o gate.o contexts.o \
		  refill.o refill_call.o compat.o) aio/libaio.map Makefile
	$(call say,LD,$@)$(LINK) -shared -Wl,-soname,libaio.so.1 \
		-Wl,--version-script=aio/libaio.map \
		$(if $(SAN),,-Wl,-z,defs) -Wl,-z,now -o $@ $(filter %.o,$^)

$(O)/libaio.so $(O)/libaio.so.1t64: $(O)/libaio.so.1
	$(Q)ln -sf libaio.so.1 $@

# --- the engine, for the fio in FIO ---
# The set-up runs each time; it renews .version only for another fio.
$(H)/fio/.version: $(O)/.flags FORCE
	$(Q)CC='$(strip $(CC) $(KERNEL))' .setup/fio-headers $(H)/fio

$(ONCE_OBJS): $(O)/engine/%.o: engine/%.c $(O)/.flags
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(ALLFLAGS) -c -o $@ $<

$(FIO_OBJS): $(H)/engine/%.o: engine/%.c $(H)/fio/.version $(O)/.flags \
		.setup/version
	$(call say,CC,$<)mkdir -p $(@D) && \
		$(CC) $(ALLFLAGS) $(FIOFLAGS) -c -o $@ $<

# fio's own symbols stay undefined; the library's are inside and local.
LINK_ENGINE = $(call say,LD,$@)$(LINK) -shared -Wl,-z,now \
	      -Wl,--version-script=engine/engine.map -o $@ \
	      $(filter %.o %.a,$^)

$(O)/fio-kaio.so: $(FIO_OBJS) $(ONCE_OBJS) $(O)/libaio.a engine/engine.map \
		  Makefile
	$(LINK_ENGINE)

# --- one engine for many fios ---
# Each half is one object, whose symbols are its own; LTO would join them again.
ifneq ($(H),$(O))
$(FIO_OBJS): private ALLFLAGS += -fno-lto
endif
OBJCOPY    ?= $(shell $(CC) -print-prog-name=objcopy)
HALVES     ?=

$(H)/engine/half.o: $(FIO_OBJS)
	$(call say,LD,$@)$(LINK) -r -nostdlib -o $@ $^ && \
		$(OBJCOPY) --keep-global-symbol=none $@

engines: $(O)/.flags
	$(Q)trees=$$(.setup/fio-trees $(FIO_SRCS)) && halves='' && \
	for t in $$trees; do \
		h=$(O)/engines/$${t%%=*} && halves="$$halves $$h/engine/half.o" && \
		$(MAKE) --no-print-directory H=$$h FIO=$${t#*=}/fio \
			FIO_SRC=$${t#*=} $$h/engine/half.o || exit; \
	done && \
	$(MAKE) --no-print-directory HALVES="$$halves" $(O)/engines/fio-kaio.so

$(O)/engines/fio-kaio.so: $(HALVES) $(ONCE_OBJS) $(O)/libaio.a \
		  engine/engine.map FORCE
	$(LINK_ENGINE)

# --- the loops without fio, which bench and bench-lib compare with, and what
# tells of the return stack ---
$(O)/loops/bareloop $(O)/loops/returns: $(O)/libaio.a
$(O)/loops/callloop: $(O)/libaio.so.1
# Since Debian 13 the distribution's library is called libaio.so.1t64, as it is in
# our build folder: what is linked to it runs on either.
t64       = $(if $(KERNEL),,$(filter /%,$(shell \
	      $(CC) -print-file-name=libaio.so.1t64)))
$(LOOPS): $(O)/loops/%: jobs/loops/%.c $(O)/.flags
	$(call say,CC,$<)mkdir -p $(@D) && $(LINK) $(filter-out -fPIC, \
		$(ALLFLAGS)) -MF $@.d -o $@ $< $(filter %.a,$^) \
		$(if $(filter %.so.1,$^),$(or $(t64),$(filter %.so.1,$^)))

# fio's own bare loop, t/io_uring of the tree that the headers are from, by
# fio's make and on the distribution's libaio, whether that tree knows it or not.
$(O)/loops/fio-loop: $(O)/fio/.version aio/libaio.h
	$(call say,CC,$(O)/fio/t/io_uring.c)mkdir -p $(@D) && rm -f $@ && \
		env -i PATH="$$PATH" EXTFLAGS='-DCONFIG_LIBAIO -I$(CURDIR)/aio' \
		LIBS=-l:$(notdir $(firstword $(wildcard /lib*/libaio.so.1* \
		/lib*/*/libaio.so.1*) libaio.so.1)) $(MAKE) -s -C $(O)/fio -o config-host.mak t/io_uring \
		>$@.log 2>&1 && cp $(O)/fio/t/io_uring $@ || { \
		echo "fio's bare loop, t/io_uring, cannot be built, so it is" \
			"left out: see $@.log" >&2; exit 1; }

# --- tests: cmocka programs, then pytest; tests/run adds them up ---
$(O)/tests/%: tests/%.c $(O)/libaio.a $(QUEUE_OBJS) $(O)/.flags
	$(call say,CC,$<)mkdir -p $(@D) && $(LINK) $(filter-out -fPIC, \
		$(ALLFLAGS)) -Iengine -Itests/lib -MF $@.d -o $@ $< \
		$(QUEUE_OBJS) $(O)/libaio.a -lcmocka -lpthread \
		$(if $(filter $(FAULTS),$<),-Wl$(,)--wrap=syscall$(,)--wrap=aiorefill_call)
, := ,

build-tests:
	$(Q).setup/packages build test
	$(Q)$(MAKE) --no-print-directory -s all $(UNITS)

check test test-slow: build-tests
	$(Q).setup/packages ab
	$(Q)$(PYTHON) tests/run --level $(@:test-%=%) $(if $(T),--only '$(T)') \
		$(UNITS)

# Without QEMU each test says that it is skipped, and why.
test-vm test-vm-quick: build-tests
	$(Q).setup/packages ab
	$(Q).setup/packages test-vm || :
	$(Q)$(PYTHON) tests/run --level $(@:test-%=%) $(if $(T),--only '$(T)')

test-fio:
	$(Q).setup/packages build test
	$(Q)$(PYTHON) tests/fio-matrix $(FIO_SRCS)

# What make test samples: hours beside libaio, and 100,000 job files.
test-conformance: build-tests
	$(Q)KAIO_CONFORMANCE=$(or $(KAIO_CONFORMANCE),full) KAIO_FAULTS=full \
		$(PYTHON) -m pytest -q -s \
		tests/engine/test_conformance.py \
		tests/engine/test_refused.py tests/engine/test_interrupted.py
	$(Q)$(PYTHON) tests/fuzz/fuzz_jobs.py --engine $(O)/fio-kaio.so \
		--count $(or $(FUZZ_JOBS),100000)

coverage:
	$(Q).setup/packages build test ab coverage
	$(Q).ci/coverage $(O) $(T)

# --- jobs ---
# Three sides, CPU per I/O in memory and on the disk: decided within a minute.
AB_ARGS ?= --side libaio --side kaio --side kaio,submit=adaptive \
	--pairing duet --runtime 0.3
ab: engine loops
	$(Q).setup/packages ab
	$(Q)jobs/ab --build $(O) $(AB_ARGS)

bench: all
	$(Q).setup/packages ab
	$(Q)$(MAKE) --no-print-directory -s $(O)/loops/fio-loop || :
	$(Q)jobs/bench --build $(O) $(BENCH_ARGS)

bench-gate: all
	$(Q).setup/packages ab
	$(Q)jobs/bench --gate --build $(O) $(BENCH_ARGS)

bench-lib: lib loops
	$(Q).setup/packages ab bench
	$(Q)jobs/bench-lib --build $(O) $(BENCH_ARGS)

qualify: engine
	$(Q).setup/packages ab qualify
	$(Q)jobs/qualify --scratch --profile quick --build $(O) $(QUALIFY_ARGS)

# --- manual pages of the commands, from their --help ---
PAGES       := $(patsubst %,$(O)/man/man1/%.1,ab bench bench-lib qualify)

man:
	$(Q).setup/packages ab man
	$(Q)$(MAKE) --no-print-directory $(PAGES)

$(PAGES): $(O)/man/man1/%.1: jobs/% .setup/manual-page .setup/version \
		$(wildcard jobs/fiolab/*/*.py jobs/fiolab/*/*/*.py) $(O)/.flags
	$(call say,MAN,$@)mkdir -p $(@D) && .setup/manual-page $< $@

# --- upkeep ---
deps:
	$(Q).setup/packages build ab bench qualify devices man test coverage \
		lint

lint:
	$(Q).setup/packages build test lint
	$(Q).ci/lint

# DESTDIR may have spaces.
D = "$(DESTDIR)"

# One engine for each fio, side by side; fio-kaio.so is the last installed.
ENGINE = fio-kaio-$(if $(FIO_SRCS),several,$(patsubst fio-%,%,$(shell \
	 cat $(O)/fio/.version))).so

install: lib $(if $(FIO_SRCS),engines,engine)
	$(Q)install -d $D$(enginedir) $D$(libdir)/kaio $D$(libdir)/pkgconfig \
		$D$(prefix)/include/kaio
	$(Q)install -d $D$(prefix)/share/kaio/man/man3 \
		$D$(prefix)/share/kaio/man/man7
	$(Q)install -m 644 engine/man/*.7 aio/man/man7/*.7 \
		$D$(prefix)/share/kaio/man/man7/
	$(Q)sed -i -e 's|/usr/local/lib/fio|$(enginedir)|; t' \
		-e 's|/usr/local|$(prefix)|' $D$(prefix)/share/kaio/man/man7/*
	$(Q)install -m 644 aio/man/man3/*.3 $D$(prefix)/share/kaio/man/man3/
	$(Q)install -m 755 $(O)/$(if $(FIO_SRCS),engines/)fio-kaio.so \
		$D$(enginedir)/$(ENGINE)
	$(Q)ln -sf $(ENGINE) $D$(enginedir)/fio-kaio.so
	$(Q)install -m 755 $(O)/libaio.so.1 $D$(libdir)/kaio/
	$(Q)install -m 644 $(O)/libaio.a $D$(libdir)/kaio/
	$(Q)ln -sf libaio.so.1 $D$(libdir)/kaio/libaio.so
	$(Q)ln -sf libaio.so.1 $D$(libdir)/kaio/libaio.so.1t64
	$(Q)install -m 644 aio/libaio.h aio/libaio_ext.h \
		$D$(prefix)/include/kaio/
	$(Q)install -m 644 /dev/null $D$(libdir)/pkgconfig/kaio-libaio.pc
	$(Q)sed -e 's|@prefix@|$(prefix)|; s|@libdir@|$(libdir)/kaio|' \
		-e 's|@includedir@|$(prefix)/include/kaio|' aio/libaio.pc.in \
		>$D$(libdir)/pkgconfig/kaio-libaio.pc
	$(Q)NO_INSTALL=1 .setup/packages ab man 2>/dev/null || { \
		echo "no manual pages of ab, bench and qualify: they need" \
			"what make man installs"; exit 0; }; \
	$(MAKE) --no-print-directory -s $(PAGES) && \
	install -d $D$(prefix)/share/kaio/man/man1 && \
	install -m 644 $(PAGES) $D$(prefix)/share/kaio/man/man1/
	@echo "installed the engine as $(enginedir)/$(ENGINE)" \
		"and its link fio-kaio.so"
	@looks=$$(.setup/engine-dir '$(FIO)'); \
	case $$looks in \
	'') ;; \
	'$(enginedir)') \
		echo "$(FIO) finds it there by its name alone: ioengine=kaio" ;; \
	*) echo "$(FIO) looks for ioengine=kaio in $$looks: to put it there," \
		"make install enginedir=$$looks" ;; \
	esac

# A tree like this one: jobs/, version, and build, which holds what make makes.
SHARE = $D$(prefix)/share/kaio
TOOLS = ab bench bench-lib qualify

install-tools: install loops
	$(Q).setup/packages ab man
	$(Q)install -d $D$(prefix)/bin $D$(prefix)/share/man/man1 \
		$D$(libdir)/kaio/loops $(SHARE)/jobs/docs
	$(Q)install -m 755 $(addprefix jobs/,$(TOOLS)) $(SHARE)/jobs/
	$(Q)install -m 644 jobs/*.fio $(SHARE)/jobs/
	$(Q)install -m 644 jobs/docs/*.json $(SHARE)/jobs/docs/
	$(Q)find jobs/fiolab -type f ! -name '*.pyc' \
		-exec install -D -m 644 {} $(SHARE)/{} \;
	$(Q)install -m 644 .setup/version $(SHARE)/version
	$(Q)install -m 755 $(LOOPS) $D$(libdir)/kaio/loops/
	$(Q)to=$$(realpath -m --relative-to=$D$(libdir)/kaio $D$(enginedir)) && \
		ln -sf "$$to/fio-kaio.so" $D$(libdir)/kaio/fio-kaio.so
	$(Q)ln -sfnr $D$(libdir)/kaio $(SHARE)/build
	$(Q)for tool in $(TOOLS); do \
		ln -sf ../share/kaio/jobs/$$tool $D$(prefix)/bin/kaio-$$tool && \
		.setup/manual-page $D$(prefix)/bin/kaio-$$tool \
			$D$(prefix)/share/man/man1/kaio-$$tool.1 || exit; \
	done
	$(Q)sed 's|@libdir@|$(any_libdir)|' aio/kaio-run.in \
		>$D$(prefix)/bin/kaio-run
	$(Q)chmod 755 $D$(prefix)/bin/kaio-run
	$(Q)install -m 644 aio/man/man1/kaio-run.1 $D$(prefix)/share/man/man1/

# Folders that others may use, too, stay: bin that is gone is a file's name for cp.
uninstall:
	$(Q)rm -f $D$(enginedir)/fio-kaio.so $D$(enginedir)/fio-kaio-*.so \
		$D$(libdir)/pkgconfig/kaio-libaio.pc
	$(Q)rm -f $D$(prefix)/bin/kaio-run $D$(prefix)/share/man/man1/kaio-*.1 \
		$(addprefix $D$(prefix)/bin/kaio-,$(TOOLS))
	$(Q)rm -rf $D$(libdir)/kaio $D$(prefix)/include/kaio $(SHARE)
	$(Q)rmdir $D$(enginedir) 2>/dev/null || true

# --- packages ---
ARCHIVE = $(O)/kaio-$(VERSION).tar.xz

dist: $(O)/.flags
	$(Q).setup/dist $(ARCHIVE) && echo $(ARCHIVE)

deb: dist
	$(Q).setup/packages deb ab man
	$(Q).setup/build-deb $(ARCHIVE) $(O)/deb

rpm: dist
	$(Q).setup/packages rpm ab man
	$(Q).setup/build-rpm $(ARCHIVE) $(O)/rpm

# Only what a build of ours has marked.
clean:
	$(Q)[ ! -e $(O) ] || { [ -f $(O)/.flags ] && rm -rf $(O); } || { \
		echo "$(O) was not made by this Makefile; remove it by hand" >&2; \
		exit 1; }

version:
	@echo $(VERSION)

help:
	@sed -n 's/^#> \{0,1\}//p' Makefile

-include $(wildcard $(O)/*/*.d $(O)/tests/*/*.d $(H)/engine/*.d)
