# SPDX-License-Identifier: GPL-2.0
#
# make            the module for the running kernel (where its headers are installed) and the tools
# make tools      lockstepd and lockstep, in .build/tools
# make modules    lockstep.ko; KDIR=/path/to/kernel/build for another kernel
# make check      unit tests, simulator, fuzz smoke, tools and daemon, format, layering and size checks:
#                 no root, under a minute on two processors
# make install    tools, man pages, units, completion (DESTDIR, PREFIX)
# make modules_install
#
# Everything else is in scripts/: demo, test, bench.

KDIR ?= /lib/modules/$(shell uname -r)/build
MODDIR := $(CURDIR)/.build/module

all: tools modules

modules:
	@mkdir -p $(MODDIR)
	@rsync -a --delete --include='/kernel/***' --include='/include/***' --include='/Kbuild' \
		--exclude='*.o' --exclude='*.cmd' --exclude='*' --filter='P *.o' --filter='P .*.cmd' ./ $(MODDIR)/
	$(MAKE) -C $(KDIR) M=$(MODDIR) W=1 modules

modules_install: modules
	$(MAKE) -C $(KDIR) M=$(MODDIR) modules_install

tools:
	$(MAKE) -C tools

check:
	@$(MAKE) --no-print-directory -C tests check

install: tools
	$(MAKE) -C tools install

clean:
	rm -rf .build

.PHONY: all modules modules_install tools check install clean
