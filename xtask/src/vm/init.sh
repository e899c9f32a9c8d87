#!/bin/sh
# The first process of a test machine: runs every program in /tests, and switches the machine off.
# The kernel's own messages go to the first serial line, the tests' to the second, where lines that begin
# with @vm are for xtask (console.rs).
export PATH=/sbin:/bin HOME=/tmp TERM=dumb RUST_BACKTRACE=1 SYNGUARD_BIN=/bin/synguard
# Enough for every reason to occur.
export SYNGUARD_TEST_FRAMES=5000

busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mount -t tmpfs tmpfs /tmp
busybox mount -t tmpfs tmpfs /run
busybox mount -t bpf bpf /sys/fs/bpf

exec </dev/null >/dev/ttyS1 2>&1
echo "@vm booted $(busybox uname -r)"
while read -r module; do
    busybox insmod "/modules/$module.ko" || echo "@vm broken: module $module"
done </modules/order

for test in /tests/*; do
    name=${test##*/}
    threads=2
    # Tests with devices share the processors: one at a time, or they disturb each other.
    case $name in lab_*) threads=1 ;; esac
    echo "@vm begin $name"
    "$test" --color never --show-output --test-threads "$threads"
    echo "@vm end $name $?"
done
echo "@vm finished"
# Closing the line waits until everything has been sent.
exec >/dev/null 2>&1
busybox poweroff -f
