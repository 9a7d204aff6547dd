# multichannel.sh: one mount on four channels over two cards, in the guest. From /job/settings: HOST
# and HOST2 (the server on the first and the second network), OWN and OWN2, PORT, NAME, PASSWORD, MIB,
# CHANNELS. Lines that begin with "ask:" are for the other side, which sets the second card's link.
. /job/settings
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

channels() {
    awk '/SessionId:/ { n = 1 } /Extra Channels:/ { n += $3 } END { print n + 0 }' \
        /proc/fs/cifs/DebugData
}
lost_channels() { grep -c -e DISCONNECTED -e RECONNECTING /proc/fs/cifs/DebugData; }

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
all_channels() { [ "$(channels)" -ge "$CHANNELS" ] && [ "$(lost_channels)" = 0 ]; }
carrier() { [ "$(cat /sys/class/net/eth1/carrier)" = "$1" ]; }
sent_by() { cat "/sys/class/net/$1/statistics/tx_bytes"; }

# copy NAME: there and back
copy() {
    dd if=/tmp/large of="/mnt/$1" bs=1M conv=fsync 2>/tmp/error || fail "write $1: $(cat /tmp/error)"
    sum=$(dd if="/mnt/$1" bs=1M iflag=direct 2>/dev/null | sha256sum)
    [ "$sum" = "$large_sum" ] || fail "checksum of $1"
}

ip addr add "$OWN/24" dev eth0
ip link set eth1 up
ip addr add "$OWN2/24" dev eth1
dd if=/dev/urandom of=/tmp/large bs=1M count="$MIB" 2>/dev/null
large_sum=$(sha256sum < /tmp/large)

mount -i -t cifs -o "ip=$HOST,port=$PORT,username=$NAME,password=$PASSWORD,vers=3.1.1,multichannel,max_channels=$CHANNELS,hard,echo_interval=1" \
    "//$HOST/share" /mnt || fail "mount"
wait_until 20 all_channels || fail "channels: $(channels)"
sed -n '/Sessions:/,/Shares:/p' /proc/fs/cifs/DebugData

before=$(sent_by eth0) before2=$(sent_by eth1)
copy first
echo "sent while both cards are there: eth0 $(($(sent_by eth0) - before)), eth1 $(($(sent_by eth1) - before2))"
[ $(($(sent_by eth1) - before2)) -gt $((MIB * 1048576 / 8)) ] || fail "the second card was not used"

# In the middle of the copy.
copy second &
wait_until 20 test -s /mnt/second
echo "ask: link down"
wait_until 10 carrier 0 || fail "the link is still up"
wait $!
echo "copied with one card, channels lost: $(lost_channels)"
[ "$(lost_channels)" -gt 0 ] || fail "no channel was lost"
echo "ask: link up"
wait_until 10 carrier 1 || fail "the link is still down"
wait_until 60 all_channels || fail "channels do not come back: $(channels), lost $(lost_channels)"
echo "channels: $(channels)"

before2=$(sent_by eth1)
copy third
[ $(($(sent_by eth1) - before2)) -gt $((MIB * 1048576 / 8)) ] || fail "the second card is not used again"
rm /mnt/first /mnt/second /mnt/third || fail "remove"
umount /mnt || fail "unmount"
dmesg | grep -E 'BUG|WARNING|Oops' && fail "the kernel complained, see above"
exit $failed
