# nfs.sh: one folder by SMB (braidd) and NFS (the kernel's server), in the guest. From /job/settings: NAME,
# PASSWORD, FILES, ROUNDS, LOCK_ROUNDS, JOBS. First the kernel's clients of both, then those of nfs_test.py
# on the machine around, which writes "done" into /srv/control. Every step that fails is named on the console.
. /job/settings
export PATH=/bin
failed=0
FOREVER=2147483647

fail() {
    echo "FAIL: $*"
    failed=1
}

# What exportfs and mountd would tell the kernel: whoever has this address is "all", to whom the export without a number
# is /srv. Its flags: fsid=0, no_subtree_check, async, insecure.
export_folder() {
    rpc=/proc/net/rpc
    for address in 127.0.0.1 10.0.2.2; do
        echo "nfsd $address $FOREVER all" > $rpc/auth.unix.ip/channel || fail "address"
    done
    echo "all /srv $FOREVER 9234 65534 65534 0" > $rpc/nfsd.export/channel || fail "export"
    echo "all 1 \\x00000000 $FOREVER /srv" > $rpc/nfsd.fh/channel || fail "number of the export"
}

serve_nfs() {
    mount -t nfsd nfsd /proc/fs/nfsd || fail "no nfsd"
    echo "-3 +4" > /proc/fs/nfsd/versions || fail "versions"
    # For so long no file can be opened.
    echo 10 > /proc/fs/nfsd/nfsv4gracetime || fail "time of grace"
    echo "tcp 2049" > /proc/fs/nfsd/portlist || fail "port"
    export_folder
    echo 8 > /proc/fs/nfsd/threads || fail "threads"
}

serve_smb() {
    cat > /braid.toml <<END
[server]
name = "nfs"
listen = ["0.0.0.0:445"]
state_dir = "/state"
signing = "enabled"
END
    for mode in strict notify; do
        printf '[[share]]\nname = "%s"\npath = "/srv/%s"\nlocal_access = "%s"\n' $mode $mode $mode >> /braid.toml
    done
    chmod 700 /state
    echo "$PASSWORD" | braidctl --config /braid.toml user add "$NAME" > /dev/null || fail "user"
    braidd --config /braid.toml > /braid.log 2>&1 &
    server=$!
    tries=0
    until grep -q "listening on" /braid.log; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { cat /braid.log; fail "no server"; return; }
        usleep 100000
    done
}

mount_both() {
    mount -i -t cifs -o "ip=127.0.0.1,username=$NAME,password=$PASSWORD,vers=3.1.1,nosharesock" \
        "//127.0.0.1/$1" "/smb" || fail "mount $1"
    /job/nfs mount "127.0.0.1:/$1" /nfs "vers=4.2,addr=127.0.0.1,clientaddr=127.0.0.1" || fail "NFS mount $1"
}

unmount_both() {
    umount /smb || fail "unmount"
    umount /nfs || fail "NFS unmount"
}

for module in virtio_blk crc32c_generic ext4 nfsd nfsv4; do modprobe -q "$module"; done
mkdir -p /srv /state /smb /nfs
mount -t ext4 /dev/vda /srv || fail "mount ext4"
for mode in strict notify; do
    mkdir -m 777 "/srv/$mode"
    /job/nfs make "/srv/$mode" "$FILES" 2001 2001 || fail "files"
done
echo wait > /srv/control
chmod 666 /srv/control
serve_nfs
serve_smb
dmesg -c > /dev/null

mount_both strict
echo "strict:"
/job/nfs turns /smb /nfs "$FILES" "$ROUNDS" "$JOBS" || fail "strict"
/job/nfs locks /smb /nfs "$LOCK_ROUNDS" "$JOBS" || fail "locks, strict"
unmount_both
mount_both notify
echo "notify:"
/job/nfs wait /smb /nfs "$FILES" "$ROUNDS" "$JOBS" || fail "notify"
unmount_both

echo "ready"
until [ "$(cat /srv/control)" = "done" ]; do usleep 200000; done
kill $server
wait $server || fail "the server ended with status $?"
dmesg | grep -E 'BUG|WARNING|Oops' && fail "the kernel complained, see above"
[ $failed = 0 ] || cat /braid.log
exit $failed
