#!/bin/bash
# The brake and an lvextend that takes 3 s: a writer at full speed fills what is left of a 32 MiB snapshot before it has come;
# held back, he does not, and is let go when the store has grown.
# timeout: 300
# shellcheck source=lib.sh
. /tests/lib.sh
export LVM_SUPPRESS_FD_WARNINGS=1

quietly() { "$@" >/dev/null 2>&1 || fail "this failed: $*"; }
no_intent() { [[ -z $(ls /var/lib/cowherd) ]]; }
free_again() { ! grep -q 'wbps=[0-9]' /sys/fs/cgroup/*/io.max; }

# settings BRAKE
settings() {
    config <<END
[daemon]
brake = $1
[snapshot *]
at 50% = extend 100%
on lost = alert critical
END
}

# at_full_speed: what came first for a snapshot under a writer as fast as he can be: "action-done" or "lost".
at_full_speed() {
    local writer
    mark
    quietly lvcreate -y -Wn -L 120m -n o vg0
    dd if=/dev/zero of=/dev/vg0/o bs=1M count=112 oflag=direct status=none
    quietly lvcreate -y -s -c 4k -L 32m -n s vg0/o
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=vg0-s >/dev/null
    fill /dev/vg0/o 112 &
    writer=$!
    END=$(field "$(event 60 COWHERD_SNAPSHOT=vg0-s COWHERD_EVENT=action-done COWHERD_EVENT=lost)" COWHERD_EVENT)
    wait "$writer"
}

fill /dev/ram0 1 # makes the pattern
quietly vgcreate vg0 /dev/ram4 /dev/ram5 /dev/ram6 /dev/ram7
slow_lvextend 12 # what is to be lost is, on a slow machine, too
settings no
start_cowherd
at_full_speed
check_eq "without the brake it comes too late" "$END" lost
quietly lvremove -y vg0/o
wait_until 30 no_intent

slow_lvextend 3
settings yes
systemctl restart cowherd.service
at_full_speed
check_eq "with the brake it comes in time" "$END" action-done
check "the brake was engaged" event 1 COWHERD_EVENT=brake COWHERD_SNAPSHOT=vg0-s
check "who was held is let go" wait_until 30 free_again
check_eq "the writer has written all, and it is not lost" "$(count_events COWHERD_EVENT=lost)" 0
check_eq "the snapshot keeps the old data" "$(sha /dev/vg0/s 112)" "$(head -c 112M /dev/zero | sha256sum | cut -d' ' -f1)"
