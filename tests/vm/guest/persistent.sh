# persistent.sh: a file that is locked and half written while the worker is killed, in the guest. From /job/settings:
# HOST, PORT, NAME, PASSWORD, HALF (bytes), MOUNTS.
. /job/settings
failed=0

fail() {
    echo "FAIL [$options]: $*"
    failed=1
}

dmesg -c > /dev/null
for options in $MOUNTS; do
    mount -i -t cifs -o "ip=$HOST,port=$PORT,username=$NAME,password=$PASSWORD,hard,persistenthandles,$options" \
        "//$HOST/share" /mnt || { fail "mount"; continue; }
    echo "mounted $options"
    /job/persistent /mnt/file "$HALF" || fail "exercise"
    umount /mnt || fail "unmount"
done
dmesg | grep -E 'BUG|WARNING|Oops' && fail "the kernel complained, see above"
exit $failed
