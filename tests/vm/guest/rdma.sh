# rdma.sh: network cards with RDMA, in the guest: soft-RoCE on its own network interface, the server and its
# clients on either end of it. From /job/settings: MOUNTS for the kernel's client, MIB of its file; MTU of the
# network interface; WORKERS of the server; KILL, which processes are
# killed while the kernel's client copies; CARDS, 1 or 2, and with 2 the second one's link goes while it copies; BENCH, MiB
# each way to measure, and beside it the card alone; FILTER, of tests/direct, and nothing before it.
# Every step that fails is named on the console.
. /job/settings
export PATH=/bin
failed=0
fail() {
    echo "FAIL: $*"
    failed=1
}
# wait_until SECONDS COMMAND...
wait_until() {
    left=$(($1 * 5))
    shift
    until "$@"; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 0.2
    done
}
step() {
    read -r seconds rest < /proc/uptime
    echo "step at $seconds s: $*"
}

ADDRESS=10.0.2.15
ADDRESS2=10.0.3.15
LISTEN="\"$ADDRESS:445\""
[ "$CARDS" = 1 ] || LISTEN="$LISTEN, \"$ADDRESS2:445\""
cat > /tmp/braid.toml <<END
[server]
listen = [$LISTEN]
state_dir = "/tmp/state"
signing = "enabled"
log_level = "$([ "$CARDS" = 1 ] && echo info || echo debug)"
rdma = true
rdma_memory = 64
workers = $WORKERS
[[share]]
name = "share"
path = "/tmp/shares/share"
[[share]]
name = "encrypted"
path = "/tmp/shares/encrypted"
encrypt = true
END
echo 'root:x:0:0::/:/bin/sh
nobody:x:65534:65534::/:/bin/sh
alice:x:1000:1000::/:/bin/sh' > /etc/passwd
echo 'root:x:0:
nogroup:x:65534:
alice:x:1000:' > /etc/group
mkdir -p /tmp/state /tmp/shares/share /tmp/shares/encrypted /mnt
chown 1000:1000 /tmp/shares/*
echo secret | braidctl --config /tmp/braid.toml user add alice || fail "no account"

check() {
    braidctl --config /tmp/braid.toml rdma check > /tmp/check 2>&1
}
if [ -d "/lib/modules/$(uname -r)" ]; then
    # Before there is a card: one clear line.
    verbs_test --gtest_brief=1 --gtest_filter='VerbsDevices.*' || fail "without a card"
    check && fail "braidctl rdma check without a card"
    grep -q '^device *missing *no RDMA device: ' /tmp/check || fail "no word of the device: $(cat /tmp/check)"
    # soft-RoCE asks for its checksum by name, which nobody here follows.
    for module in crc32_generic ib_uverbs rdma_ucm rdma_rxe; do
        modprobe -q "$module" || fail "the kernel has no $module"
    done
fi
ip link set eth0 mtu "$MTU" || fail "no MTU of $MTU"
rdma link add rxe0 type rxe netdev eth0 || fail "no soft-RoCE card"
if [ "$CARDS" != 1 ]; then
    ip link add card1 type dummy || fail "no second network interface"
    ip addr add "$ADDRESS2/24" dev card1
    ip link set card1 mtu "$MTU" up
    rdma link add rxe1 type rxe netdev card1 || fail "no second soft-RoCE card"
fi
rdma link show
ls /dev/infiniband

if [ "$BENCH" != 0 ]; then
    # The limit: what the card does with no server.
    for program in ib_write_bw ib_read_bw; do
        step "$program"
        $program -d rxe0 -x 1 -F -s 1048576 -n "$BENCH" > /tmp/out 2>&1 &
        limit=$!
        sleep 3
        $program -d rxe0 -x 1 -F -s 1048576 -n "$BENCH" "$ADDRESS" > /tmp/bench 2>&1 || fail "$program: $(cat /tmp/bench)"
        wait $limit
        grep -A1 'BW average' /tmp/bench
    done
fi

if [ -z "$MOUNTS" ] && [ "$BENCH" = 0 ] && [ -z "$FILTER" ]; then
    export BRAID_RDMA_ADDRESS=$ADDRESS
    for program in "verbs_test --gtest_filter=VerbsTest.*" rdma_test; do
        step "$program"
        $program > /tmp/out 2>&1 || fail "$program"
        tail -n 60 /tmp/out
        grep -q SKIPPED /tmp/out && fail "$program skipped something"
    done
fi

check && fail "braidctl rdma check without a server"
grep -q '^listener *missing ' /tmp/check || fail "no word of the listener: $(cat /tmp/check)"
braidd --config /tmp/braid.toml > /tmp/log 2>&1 &
server=$!
until grep -qs ' ready$' /tmp/log && grep -q 'for SMB Direct' /tmp/log; do
    kill -0 $server 2>/dev/null || { fail "braidd: $(cat /tmp/log)"; exit 1; }
    grep -qs 'SMB Direct is off' /tmp/log && { fail "braidd: $(cat /tmp/log)"; exit 1; }
    sleep 0.2
done
[ "$(ps -o user,comm | grep -c '^nobody *braidd-rdma')" = 1 ] || fail "who has the cards: $(ps -o user,comm)"
check || fail "braidctl rdma check"
cat /tmp/check

if [ -z "$MOUNTS" ]; then
    step "direct_test"
    filter=${FILTER:--*StaySilent*}
    export BRAID_E2E_LIMIT=600
    [ "$BENCH" = 0 ] || { filter='DirectBench.*'; export BRAID_E2E_LIMIT=$((60 + BENCH * 4)); }
    export BRAID_E2E_SERVER=$ADDRESS:445 BRAID_E2E_KIND=braidd BRAID_E2E_USER=alice BRAID_E2E_PASSWORD=secret
    export BRAID_E2E_USER2=alice BRAID_E2E_PASSWORD2=secret
    export BRAID_DIRECT_LOG=/tmp/log BRAID_DIRECT_PID=$server BRAID_DIRECT_CARD=$ADDRESS BRAID_DIRECT_BENCH=$BENCH
    direct_test --gtest_filter="$filter" > /tmp/out 2>&1 || fail "direct_test"
    tail -n 60 /tmp/out
    if [ "$BENCH" = 0 ]; then
        # The kernel waits for who has it. (One with all of this built in does not tell him first.)
        step "the card is taken away"
        rdma link delete rxe0 &
        removal=$!
        is_removed() { ! kill -0 $removal 2>/dev/null; }
        wait_until 60 is_removed || fail "the server keeps a card that goes"
        wait_until 60 grep -q 'SMB Direct is off: no RDMA device' /tmp/log || fail "who has the cards was not started again"
        grep -q 'a card is taken away' /tmp/log || fail "no word of the card that was taken away"
    fi
fi

mount_share() {
    mount -i -t cifs -o "ip=$ADDRESS,username=alice,password=secret,hard,rdma,$1" "//$ADDRESS/share" /mnt
}
packets_of() { cat "/sys/class/infiniband/$1/ports/1/hw_counters/sent_pkts"; }
# channels_are COUNT: of the session, none of them lost.
channels_are() {
    awk -v want="$1" '/SessionId:/ { n = 1 } /Extra Channels:/ { n += $3 } /DISCONNECTED|RECONNECTING/ { lost = 1 }
        END { exit !(n == want && !lost) }' /proc/fs/cifs/DebugData
}
# Both cards carry data; the session goes on when one of them goes. The machine ends with it.
lose_a_card() {
    # This client, without CONFIG_CIFS_DFS_UPCALL, opens a second channel only when it has connected again.
    kill -9 $(pidof braidd-rdma)
    ls /mnt > /dev/null || fail "$1: the process with the cards was killed"
    wait_until 60 channels_are 2 || fail "$1: no second channel: $(cat /proc/fs/cifs/DebugData; braidctl --config /tmp/braid.toml interfaces --client "$ADDRESS")"
    before=$(packets_of rxe0) before1=$(packets_of rxe1)
    dd if=/tmp/data of=/mnt/both bs=1M conv=fsync 2>/tmp/error || fail "$1: write: $(cat /tmp/error)"
    echo "packets while both cards are there: $(($(packets_of rxe0) - before)), $(($(packets_of rxe1) - before1))"
    [ $(($(packets_of rxe1) - before1)) -gt 100 ] || fail "$1: the second card was not used"
    [ "$(sha256sum < /tmp/shares/share/both)" = "$sum" ] || fail "$1: checksum over both cards"
    dd if=/tmp/data of=/mnt/one bs=64k conv=fsync 2>/tmp/error &
    copy=$!
    wait_until 60 test -s /tmp/shares/share/one || fail "$1: the copy does not begin"
    kill -0 $copy 2>/dev/null || fail "$1: copied before the card went"
    ip link set card1 down || fail "$1: the second card does not go"
    step "the second card is down"
    lost='10.0.3.15: SMB Direct has ended'
    wait_until 60 grep -q "$lost" /tmp/log || fail "$1: the server does not notice"
    # This client waits for what was under way there, and hears nothing; the session goes on over the first card. Past its
    # memory, in which that stands: beyond a part of it whoever writes waits, too.
    dd if=/tmp/data of=/mnt/other bs=1M oflag=direct 2>/tmp/error || fail "$1: write over what is left: $(cat /tmp/error)"
    step "copied over the first card"
    [ "$(sha256sum < /tmp/shares/share/other)" = "$sum" ] || fail "$1: checksum when a card went"
    kill -0 $server || fail "$1: the server is gone"
    [ $failed = 0 ] || cat /tmp/log
    # No unmounting: that waits, too.
    echo "guest status: $failed"
    poweroff -nf
}
for options in $MOUNTS; do
    step "mount with $options"
    mount_share "$options" || { fail "mount with $options"; continue; }
    grep -iE 'rdma|smbd' /proc/fs/cifs/DebugData | head -3
    head -c "$((MIB * 1048576))" /dev/urandom > /tmp/data
    sum=$(sha256sum < /tmp/data)
    dd if=/tmp/data of=/mnt/large bs=1M conv=fsync 2>/tmp/error || fail "$options: write: $(cat /tmp/error)"
    tail -n 1 /tmp/error
    step "written"
    [ "$(sha256sum < /tmp/shares/share/large)" = "$sum" ] || fail "$options: checksum of what was written"
    mkdir /mnt/folder || fail "$options: mkdir"
    for i in 1 2 3 4 5 6 7 8 9 10; do
        head -c "$((i * 7777))" /tmp/data > /mnt/folder/$i || fail "$options: write $i"
    done
    for victim in $KILL; do
        # The file goes on being written when there is somebody again; the client opens it anew.
        step "$victim is killed meanwhile"
        dd if=/tmp/data of=/mnt/killed bs=64k conv=fsync 2>/tmp/error &
        copy=$!
        for i in 1 2 3; do
            sleep 1
            kill -0 $copy 2>/dev/null && pids=$(pidof "$victim") && kill -9 $pids
        done
        wait $copy || fail "$options, $victim killed: $(cat /tmp/error)"
        tail -n 1 /tmp/error
        [ "$(sha256sum < /tmp/shares/share/killed)" = "$sum" ] || fail "$options, $victim killed: another checksum"
        [ "$(grep -c 'was ended by signal 9' /tmp/log)" -gt 0 ] || fail "$victim was not killed"
        rm /mnt/killed || fail "$options, $victim killed: remove"
    done
    [ "$CARDS" = 1 ] || lose_a_card "$options"
    step "mount again"
    umount /mnt && mount_share "$options" || { fail "$options: mount again"; continue; }
    step "read"
    # Not kept: memory is what the disks here are made of.
    { dd if=/mnt/large bs=1M 2>/tmp/error || fail "$options: read: $(cat /tmp/error)"; } | sha256sum > /tmp/back
    tail -n 1 /tmp/error
    [ "$(cat /tmp/back)" = "$sum" ] || fail "$options: checksum of what was read"
    for i in 1 2 3 4 5 6 7 8 9 10; do
        head -c "$((i * 7777))" /tmp/data | cmp -s - /mnt/folder/$i || fail "$options: $i is another"
    done
    mv /mnt/folder /mnt/moved || fail "$options: rename"
    [ "$(ls /mnt/moved | wc -l)" = 10 ] || fail "$options: list"
    rm -r /mnt/moved /mnt/large || fail "$options: remove"
    [ -z "$(ls /tmp/shares/share)" ] || fail "$options: left: $(ls /tmp/shares/share)"
    umount /mnt || fail "$options: unmount"
done
# This client may wait for the end of a queue pair that is not there any more, when its peer was killed.
[ -n "$MOUNTS" ] && dmesg | grep -E "BUG|WARNING|Oops" | grep -v ' __ib_drain_[rs]q' && fail "the kernel complained, see above"

kill $server
wait $server || fail "braidd ended with $?"
grep -E 'refused system call|was ended by signal' /tmp/log | grep -v 'signal 9' && fail "see the server's log"
[ $failed = 0 ] || cat /tmp/log
exit $failed
