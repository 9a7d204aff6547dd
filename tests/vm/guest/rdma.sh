# rdma.sh: network cards with RDMA, in the guest: soft-RoCE on its own network interface, and the two
# ends of connections in one program. Every step that fails is named on the console.
export PATH=/bin
failed=0
fail() {
    echo "FAIL: $*"
    failed=1
}

# Before there is a card: one clear line.
verbs_test --gtest_brief=1 --gtest_filter='VerbsDevices.*' || fail "without a card"

# soft-RoCE asks for its checksum by name, which nobody here follows.
for module in crc32_generic ib_uverbs rdma_ucm rdma_rxe; do
    modprobe -q "$module" || fail "the kernel has no $module"
done
rdma link add rxe0 type rxe netdev eth0 || fail "no soft-RoCE card"
rdma link show
ls /dev/infiniband

export BRAID_RDMA_ADDRESS=10.0.2.15
for program in "verbs_test --gtest_filter=VerbsTest.*" rdma_test; do
    $program > /tmp/out 2>&1 || fail "$program"
    tail -n 60 /tmp/out
    grep -q SKIPPED /tmp/out && fail "$program skipped something"
done
exit $failed
