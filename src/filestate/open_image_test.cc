// Opens that are written down and had again by another process. [MS-SMB2] 3.3.1.10, 3.3.1.12.
#include "filestate/open_image.h"

#include <gtest/gtest.h>

#include "filestate/file_table_testing.h"
#include "filestate/shared_tables_testing.h"

namespace braid::filestate {
namespace {

constexpr Account kAccount{7};

SharedPath path(std::string_view text) { return std::make_shared<const std::string>(text); }

// `before` is the server that ended, `after` the one that took its place.
struct OpenImages : testing::Test {
  TestTable before;
  TestTable after;

  OpenImages() { before.last_token = 1000; }  // no two servers have given the same FileId

  OpenRequest persistent(OpenRequest request) {
    request.path = path("dir\\file");
    request.user = {3};
    EXPECT_EQ(before.open(request).decision.verdict, Verdict::kGo);
    EXPECT_TRUE(before.table.set_durability(before.ref(request), Durability::kPersistent));
    return request;
  }
  OpenImage image_of(const OpenRequest& of, const FileKey& file = kFile) {
    return before.table.image_of({file, of.token}).value();
  }
  // Under a token of the new server.
  std::optional<OpenRef> restore(const OpenImage& image, const FileKey& file = kFile) {
    const OpenToken token = after.token(++after.last_token);
    const auto known_as = after.table.restore(file, image, token, kAccount);
    if (!known_as) return std::nullopt;
    return OpenRef{*known_as, token};
  }
  OpenRef moved(const OpenRequest& request, const FileKey& file = kFile) {
    return restore(image_of(request, file), file).value();
  }
};

TEST_F(OpenImages, LeaseComesBackWithItsOpens) {
  OpenRequest asked = before.lease(1, "RWH", 10);
  asked.lease->parent_key = lease_key(9);
  const OpenRequest first = persistent(asked);
  const OpenRequest second = persistent(before.lease(1, "RWH", 10));
  const OpenDecision held = before.table.grant_of(before.ref(first));

  const OpenRef one = moved(first), two = moved(second);
  for (const OpenRef& open : {one, two}) {
    EXPECT_TRUE(after.table.is_disconnected(open));
    const OpenDecision now = after.table.grant_of(open);
    ASSERT_TRUE(now.lease);
    EXPECT_EQ(letters(now.lease->state), "RWH");
    EXPECT_EQ(now.lease->epoch, held.lease->epoch);
    EXPECT_EQ(now.lease->version, 2);
    EXPECT_EQ(now.lease->parent_key, lease_key(9));
    EXPECT_TRUE(after.table.reconnect(open, SessionId{5}));
    EXPECT_FALSE(after.table.reconnect(open, SessionId{5}));
  }
  // The key is bound to the file again, and breaks reach it.
  const LeaseId id{.client = client(1), .key = lease_key(1), .user = {3}};
  EXPECT_EQ(after.table.check_lease_key(id, FileKey{1, 999, 0}), NtStatus::kInvalidParameter);
  const OpenRequest other = after.request(2);
  EXPECT_EQ(after.open(other).decision.verdict, Verdict::kWait);
  EXPECT_EQ(after.sink.take_breaks(), "1: RWH->RH ack");
  EXPECT_EQ(after.table.ack_lease(id, caching("RH")).status, NtStatus::kSuccess);
  EXPECT_EQ(after.open(other).decision.verdict, Verdict::kGo);
  EXPECT_FALSE(after.table.close(one).delete_now);
  EXPECT_FALSE(after.table.close(two).delete_now);
  EXPECT_EQ(after.table.check_lease_key(id, FileKey{1, 999, 0}), NtStatus::kSuccess);
}

TEST_F(OpenImages, OplockComesBackAtItsLevel) {
  for (const OplockLevel level :
       {OplockLevel::kBatch, OplockLevel::kExclusive, OplockLevel::kLevelII, OplockLevel::kNone}) {
    const OpenRequest request = persistent(before.oplock(level));
    const OpenRef open = moved(request);
    EXPECT_EQ(after.table.grant_of(open).oplock, level);
    EXPECT_EQ(after.table.caching_of(open), caching_of(level));
    before.table.close(before.ref(request));
    after.table.close(open);
  }
}

// A break that was under way is of the server that has ended, and whoever waited for it, too.
TEST_F(OpenImages, BreakThatWasNotAnsweredTakesNothing) {
  const OpenRequest holder = persistent(before.lease(1, "RWH", 10));
  EXPECT_EQ(before.open(before.request(2)).decision.verdict, Verdict::kWait);
  const OpenRef open = moved(holder);
  const OpenDecision now = after.table.grant_of(open);
  EXPECT_EQ(letters(now.lease->state), "RWH");
  EXPECT_FALSE(now.lease->break_in_progress);
}

// [MS-SMB2] 3.3.5.9: STATUS_FILE_NOT_AVAILABLE.
TEST_F(OpenImages, NobodyElseGetsIn) {
  OpenRequest request = before.request();
  request.share_access = kShareRead;
  const OpenRef open = moved(persistent(request));
  EXPECT_EQ(after.open(after.request(2)).decision.status, NtStatus::kFileNotAvailable);
  OpenRequest reader = after.request(2);
  reader.granted_access = kFileReadAttributes;
  EXPECT_EQ(after.open(reader).decision.status, NtStatus::kFileNotAvailable);
  EXPECT_TRUE(after.table.reconnect(open, SessionId{5}));
  EXPECT_EQ(after.open(reader).decision.verdict, Verdict::kGo);
  EXPECT_EQ(after.open(after.request(2)).decision.status, NtStatus::kSharingViolation);
}

// [MS-SMB2] 3.3.5.14: locks are held, and what was answered is not done twice.
TEST_F(OpenImages, LocksAndTheirSequencesComeBack) {
  const OpenRequest request = persistent(before.request());
  const LockSequence sequence{.index = 3, .number = 9};
  const LockRange exclusive{.offset = 10, .length = 5, .exclusive = true};
  const LockRange shared{.offset = 10, .length = 5};
  const LockRange last{.offset = ~uint64_t{0}, .length = 1, .exclusive = true};
  const OpenRef then = before.ref(request);
  ASSERT_EQ(before.table.lock(then, {{exclusive}}, true, {1}, sequence).verdict, Verdict::kGo);
  ASSERT_EQ(before.table.lock(then, {{shared}}, true, {2}).verdict, Verdict::kGo);
  ASSERT_EQ(before.table.lock(then, {{last}}, true, {3}).verdict, Verdict::kGo);

  const OpenRef open = moved(request);
  const LocksOfOpen locks = after.table.locks_of(open);
  ASSERT_EQ(locks.held.size(), 3u);
  EXPECT_TRUE(locks.held[0].exclusive);
  EXPECT_FALSE(locks.held[1].exclusive);
  EXPECT_EQ(locks.held[2].offset, last.offset);
  EXPECT_TRUE(after.table.reconnect(open, SessionId{5}));
  const OpenRequest other = after.request(2);
  ASSERT_EQ(after.open(other).decision.verdict, Verdict::kGo);
  EXPECT_EQ(after.table.check_io(after.ref(other), 12, 1, false), NtStatus::kFileLockConflict);
  EXPECT_EQ(after.table.lock(open, {{exclusive}}, true, {4}, sequence).verdict, Verdict::kGo);
  EXPECT_EQ(after.table.locks_of(open).held.size(), 3u);
  const LockSequence next{.index = 3, .number = 10};
  EXPECT_EQ(after.table.lock(open, {{exclusive}}, true, {5}, next).status,
            NtStatus::kLockNotGranted);
}

// [MS-FSA] 2.1.5.5: delete-on-close outlives the server.
TEST_F(OpenImages, DeletesOnClose) {
  OpenRequest request = before.request();
  request.delete_on_close = true;
  request.granted_access |= kDelete;
  request.deleter = make_deleter(std::make_shared<const UnixCredentials>(), "share", "dir\\file");
  const OpenRef open = moved(persistent(request));
  EXPECT_FALSE(after.table.is_delete_pending(open));
  EXPECT_TRUE(after.table.reconnect(open, SessionId{5}));
  const CloseDecision closed = after.table.close(open);
  EXPECT_TRUE(closed.delete_now);
  ASSERT_TRUE(closed.path);
  EXPECT_EQ(*closed.path, "dir\\file");
  EXPECT_FALSE(closed.link_deleters.empty());
}

TEST_F(OpenImages, PendingDeletionOfTheNameComesBack) {
  OpenRequest request = before.request();
  request.granted_access |= kDelete;
  request = persistent(request);
  const Deleter deleter = make_deleter(std::make_shared<const UnixCredentials>(), "share");
  const OpenRef then = before.ref(request);
  ASSERT_EQ(before.table.set_delete_pending(then, true, DeleteSemantics::kPosix, deleter).verdict,
            Verdict::kGo);
  const OpenRef open = moved(request);
  EXPECT_TRUE(after.table.is_delete_pending(open));
  OpenRequest other = after.request(2);
  other.path = path("dir\\file");
  EXPECT_EQ(after.open(other).decision.status, NtStatus::kDeletePending);
  const OpenImage again = after.table.image_of(open).value();
  EXPECT_TRUE(again.of_name.by_posix);
  EXPECT_TRUE(again.deletes_by_posix);
  EXPECT_TRUE(after.table.close(open).delete_now);
}

TEST_F(OpenImages, ItsNameIsTheOneThatARenameHasGivenIt) {
  const OpenRequest request = persistent(before.request());
  before.table.renamed(before.ref(request), path("other\\name"));
  const OpenRef open = moved(request);
  EXPECT_EQ(*after.table.path_of(open), "other\\name");
}

// [MS-FSA] 2.1.5.1.2.1: with the file its streams go.
TEST_F(OpenImages, StreamIsNotDeletedUnderItsOpen) {
  constexpr FileKey kStream{1, 100, 4};
  OpenRequest request = before.request();
  request.share_access = kShareRead | kShareWrite;
  request.path = path("dir\\file");
  ASSERT_EQ(before.open(request, kStream).decision.verdict, Verdict::kGo);
  const OpenRef open = moved(request, kStream);
  EXPECT_EQ(open.file, kStream);
  OpenRequest deleter = after.request(2);
  deleter.granted_access |= kDelete;
  EXPECT_EQ(after.open(deleter).decision.status, NtStatus::kSharingViolation);
  // Nor does an open that deletes come back beside it.
  TestTable elsewhere;
  ASSERT_EQ(elsewhere.open(deleter).decision.verdict, Verdict::kGo);
  const OpenImage image = elsewhere.table.image_of(elsewhere.ref(deleter)).value();
  EXPECT_FALSE(restore(image));
  OpenRequest reader = elsewhere.request(3);
  ASSERT_EQ(elsewhere.open(reader).decision.verdict, Verdict::kGo);
  EXPECT_TRUE(restore(elsewhere.table.image_of(elsewhere.ref(reader)).value()));
}

// Whoever is there already stays, and nothing is left of the other.
TEST_F(OpenImages, WhatIsInTheWayIsLeftAlone) {
  OpenRequest sole = before.lease(1, "RWH", 10);
  sole.share_access = 0;
  const OpenImage image = image_of(persistent(sole));
  const OpenRequest there = after.request(2);
  ASSERT_EQ(after.open(there).decision.verdict, Verdict::kGo);
  EXPECT_FALSE(restore(image));
  EXPECT_EQ(after.table.check_lease_key(lease_of(image), FileKey{1, 999, 0}), NtStatus::kSuccess);
  EXPECT_FALSE(after.table.is_open_beside(after.ref(there)));
  after.table.close(after.ref(there));
  EXPECT_TRUE(restore(image));
}

// They cannot, but for a log that is damaged.
TEST_F(OpenImages, ThatContradictEachOtherHaveWhatCanBeHeld) {
  const OpenImage image = image_of(persistent(before.lease(1, "RWH", 10)));
  const OpenRequest there = after.request(2);
  ASSERT_EQ(after.open(there).decision.verdict, Verdict::kGo);
  const auto open = restore(image);
  ASSERT_TRUE(open);
  const OpenDecision now = after.table.grant_of(*open);
  EXPECT_EQ(letters(now.lease->state), "RH");
  EXPECT_EQ(now.lease->epoch, image.lease->epoch + 1);
}

// Worker 0 has a persistent open and is killed.
struct OpenImagesOfWorkers : testing::Test {
  SharedTables shared;

  OpenRequest persistent(OpenRequest request) {
    EXPECT_EQ(shared.open(0, request).decision.verdict, Verdict::kGo);
    EXPECT_TRUE(shared.tables[0]->set_durability(ref(request), Durability::kPersistent));
    return request;
  }
  OpenRequest sole() {
    OpenRequest request = shared.lease(0, 1, "RWH");
    request.share_access = 0;
    return persistent(request);
  }
  // Its next life.
  void restart() {
    shared.tables[0].reset();
    shared.workers.join(0);
    shared.tables[0] = std::make_unique<FileTable>(shared.sinks[0], shared.workers.groups[0].get());
  }
  std::optional<OpenRef> restore(const OpenImage& image) {
    const OpenToken token = shared.request(0).token;
    const auto known_as = shared.tables[0]->restore(kFile, image, token, kAccount);
    if (!known_as) return std::nullopt;
    return OpenRef{*known_as, token};
  }
  NtStatus comes_other() { return shared.open(1, shared.request(1)).decision.status; }
};

TEST_F(OpenImagesOfWorkers, OtherWorkersMeetWhatIsRestored) {
  const OpenImage image = shared.tables[0]->image_of(ref(sole())).value();
  SharedTables elsewhere;
  const OpenRequest taken = elsewhere.request(0);  // for its token
  ASSERT_TRUE(elsewhere.tables[0]->restore(kFile, image, taken.token, kAccount));
  EXPECT_EQ(elsewhere.open(1, elsewhere.request(1)).decision.verdict, Verdict::kWait);
  EXPECT_EQ(elsewhere.tables[1]->image_of(ref(taken))->persistent_id, image.persistent_id);
}

// [MS-SMB2] 3.3.5.9, note <301>: nobody gets in between the death of a worker and its next life.
TEST_F(OpenImagesOfWorkers, IsKeptWhenItsWorkerDies) {
  const OpenRequest request = sole();
  const LockRange range{.offset = 5, .length = 1, .exclusive = true};
  ASSERT_EQ(shared.tables[0]->lock(ref(request), {{range}}, true, {1}).verdict, Verdict::kGo);
  const OpenImage image = shared.tables[0]->image_of(ref(request)).value();
  shared.kill(0);
  EXPECT_EQ(comes_other(), NtStatus::kPending);
  restart();
  EXPECT_EQ(comes_other(), NtStatus::kPending);

  const auto open = restore(image);
  ASSERT_TRUE(open);
  EXPECT_EQ(letters(shared.tables[0]->grant_of(*open).lease.value().state), "RWH");
  EXPECT_EQ(shared.tables[0]->locks_of(*open).held.size(), 1u);
  EXPECT_FALSE(restore(image)) << "it is there already";
  shared.tables[0]->drop_kept();
  EXPECT_EQ(comes_other(), NtStatus::kPending);
  EXPECT_TRUE(shared.tables[0]->reconnect(*open, SessionId{5}));
  // Whoever came meanwhile waits for its answer.
  EXPECT_EQ(shared.breaks_of(0), "1: RWH->RW ack");
  EXPECT_EQ(shared.completions_of(1).size(), 0u);
  shared.tables[0]->close(*open);
  EXPECT_EQ(shared.completions_of(1).size(), 3u);
  EXPECT_EQ(comes_other(), NtStatus::kSuccess);
}

TEST_F(OpenImagesOfWorkers, OplockIsKeptAtItsLevel) {
  OpenRequest request = shared.request(0);
  request.requested_oplock = OplockLevel::kBatch;
  persistent(request);
  const OpenImage image = shared.tables[0]->image_of(ref(request)).value();
  const OpenRequest other = shared.request(1);
  EXPECT_EQ(shared.open(1, other).decision.verdict, Verdict::kWait);
  shared.kill(0);
  // Who waited for its answer asks again, and waits for its client.
  const auto completions = shared.completions_of(1);
  ASSERT_EQ(completions.size(), 1u);
  EXPECT_EQ(completions[0].kind, Completion::Kind::kRetryOpen);
  EXPECT_EQ(shared.open(1, other).decision.verdict, Verdict::kWait);
  restart();
  const auto open = restore(image);
  ASSERT_TRUE(open);
  EXPECT_EQ(shared.tables[0]->grant_of(*open).oplock, OplockLevel::kBatch);
}

// What its log does not have was promised to nobody.
TEST_F(OpenImagesOfWorkers, WhatNobodyRestoresGoes) {
  sole();
  shared.kill(0);
  restart();
  EXPECT_EQ(comes_other(), NtStatus::kPending);
  shared.tables[0]->drop_kept();
  EXPECT_EQ(comes_other(), NtStatus::kSuccess);
}

TEST_F(OpenImagesOfWorkers, WhatIsKeptByOthersStays) {
  sole();
  shared.kill(0);
  shared.tables[1]->drop_kept();
  EXPECT_EQ(comes_other(), NtStatus::kPending);
}

// What an event changes of another worker's opens that is to write down, as long as it lives.
TEST_F(OpenImagesOfWorkers, WhoChangesOneHearsWhoseItIs) {
  const OpenRequest request = persistent(shared.lease(0, 1, "R"));
  const std::vector<store::WorkerTag> keeper{shared.workers.groups[0]->own_tag()};
  ASSERT_EQ(shared.open(1, shared.request(1)).decision.verdict, Verdict::kGo);
  const auto noted = shared.tables[1]->take_noted_elsewhere();
  ASSERT_EQ(noted.size(), 1u);
  EXPECT_EQ(noted[0].file, kFile);
  EXPECT_EQ(noted[0].workers, keeper);
  EXPECT_EQ(shared.tables[1]->promised_elsewhere(kFile), keeper);
  // Who looks changes nothing, and its own opens are no others'.
  shared.tables[0]->catch_up(kFile);
  shared.tables[1]->catch_up(kFile);
  EXPECT_EQ(shared.tables[0]->take_noted(), std::vector{kFile});
  EXPECT_TRUE(shared.tables[0]->take_noted_elsewhere().empty());
  EXPECT_TRUE(shared.tables[1]->take_noted_elsewhere().empty());
  EXPECT_TRUE(shared.tables[0]->promised_elsewhere(kFile).empty());
  shared.kill(0);
  EXPECT_TRUE(shared.tables[1]->promised_elsewhere(kFile).empty());
}

// The first worker of a server that begins has the opens of all others' clients.
TEST_F(OpenImagesOfWorkers, IsHeldForAWorkerThatHasYetToCome) {
  OpenRequest request = shared.lease(1, 1, "RWH");
  request.share_access = 0;
  ASSERT_EQ(shared.open(1, request).decision.verdict, Verdict::kGo);
  ASSERT_TRUE(shared.tables[1]->set_durability(ref(request), Durability::kPersistent));
  const OpenImage image = shared.tables[1]->image_of(ref(request)).value();

  SharedTables later;
  const auto no_life = store::WorkerTag::make(1, store::WorkerTag::kGenerations - 1);
  ASSERT_TRUE(later.tables[0]->restore(kFile, image, {no_life.tagged(77)}, kAccount));
  EXPECT_EQ(later.open(0, later.request(0)).decision.status, NtStatus::kPending);
  const OpenToken own = later.request(1).token;
  ASSERT_TRUE(later.tables[1]->restore(kFile, image, own, kAccount));
  later.tables[1]->drop_kept();
  EXPECT_EQ(later.open(0, later.request(0)).decision.status, NtStatus::kPending);
  EXPECT_EQ(letters(later.tables[1]->grant_of({kFile, own}).lease.value().state), "RWH");
  // Under another token of the same worker, and no other's.
  EXPECT_FALSE(later.tables[0]->take_over({kFile, own}, later.request(0).token, SessionId{5}));
  EXPECT_TRUE(later.tables[1]->take_over({kFile, own}, later.request(1).token, SessionId{5}));
}

// An ordinary open goes as ever.
TEST_F(OpenImagesOfWorkers, OnlyPersistentOnesAreKept) {
  OpenRequest request = shared.lease(0, 1, "RWH");
  request.share_access = 0;
  ASSERT_EQ(shared.open(0, request).decision.verdict, Verdict::kGo);
  ASSERT_TRUE(shared.tables[0]->set_durability(ref(request), Durability::kResilient));
  shared.kill(0);
  EXPECT_EQ(comes_other(), NtStatus::kSuccess);
}

// It had moved, and the log of its first worker does not know yet.
TEST_F(OpenImagesOfWorkers, WhatALivingWorkerHasIsNotTaken) {
  const OpenRequest request = persistent(shared.request(0));
  const OpenImage image = shared.tables[0]->image_of(ref(request)).value();
  ASSERT_TRUE(shared.tables[0]->disconnect(ref(request)));
  const OpenToken as = shared.request(1).token;
  ASSERT_TRUE(shared.tables[1]->take_over(ref(request), as, SessionId{5}));
  shared.kill(0);
  restart();
  EXPECT_FALSE(restore(image));
  ASSERT_TRUE(shared.tables[1]->disconnect({kFile, as}));
  EXPECT_FALSE(restore(image));
  EXPECT_TRUE(shared.tables[1]->reconnect({kFile, as}, SessionId{6}));
}

TEST_F(OpenImages, SayWhatTheOpenIs) {
  OpenRequest file = before.request(), directory = before.request();
  file.path = directory.path = path("f");
  file.is_sole_name = false;
  directory.is_directory = true;
  const FileKey elsewhere{1, 300, 0};
  before.open(file);
  before.open(directory, elsewhere);
  const OpenImage of_file = image_of(file), of_directory = image_of(directory, elsewhere);
  EXPECT_FALSE(of_file.is_directory);
  EXPECT_TRUE(of_directory.is_directory);
  EXPECT_FALSE(of_file.is_sole_name);
  EXPECT_TRUE(of_directory.is_sole_name);
  for (const OpenImage& image : {of_file, of_directory}) {
    EXPECT_FALSE(image.delete_on_close || image.deletes_by_posix);
    EXPECT_FALSE(image.of_name.is_pending || image.of_name.by_posix);
    EXPECT_FALSE(image.of_stream.is_pending || image.of_stream.by_posix);
    EXPECT_EQ(image.access, kReadWriteAccess);
    EXPECT_EQ(image.share, kShareAll);
  }
  EXPECT_NE(of_file.persistent_id, of_directory.persistent_id);
}

TEST_F(OpenImages, CountToWhoHasThem) {
  OpenRequest wanted = before.oplock(OplockLevel::kBatch);
  ASSERT_TRUE(restore(image_of(persistent(wanted))));
  EXPECT_EQ(after.table.holders(kFile, Caching::kHandle), std::vector{kAccount});
}

TEST_F(OpenImages, BreakOfTheirLeaseGoesToTheLatest) {
  const OpenRequest first = persistent(before.lease(1, "RH", 10));
  const OpenRequest second = persistent(before.lease(1, "RH", 10));
  const OpenRef one = moved(first), two = moved(second);
  EXPECT_TRUE(after.table.reconnect(one, SessionId{5}));
  EXPECT_TRUE(after.table.reconnect(two, SessionId{5}));
  OpenRequest overwrites = after.request(2);
  overwrites.overwrites = true;
  after.open(overwrites);
  EXPECT_NE(after.sink.take_breaks(), "");
  EXPECT_EQ(after.sink.last_break.holder, two.token);
}

// From a damaged log: [MS-SMB2] 3.3.5.9.11 gives a directory no write caching, and an open has a
// lease or an oplock.
TEST_F(OpenImages, WhatNoOpenHasIsNotRestored) {
  OpenRequest asked = before.lease(1, "RWH", 10);
  OpenImage image = image_of(persistent(asked));
  image.oplock = OplockLevel::kBatch;
  const auto open = restore(image);
  ASSERT_TRUE(open);
  EXPECT_EQ(after.table.grant_of(*open).oplock, OplockLevel::kLease);
  EXPECT_EQ(after.table.holders(kFile, Caching::kRead).size(), 1u);
  image.is_directory = true;
  const FileKey elsewhere{1, 300, 0};
  image.lease->key = lease_key(2);
  const auto directory = restore(image, elsewhere);
  ASSERT_TRUE(directory);
  EXPECT_EQ(letters(after.table.caching_of(*directory)), "RH");
}

// Files whose persistent opens changed are noted, once.
TEST_F(OpenImages, ChangesOfThemAreNoted) {
  EXPECT_TRUE(before.table.take_noted().empty());
  const OpenRequest plain = before.request();
  before.open(plain, {1, 300, 0});
  EXPECT_TRUE(before.table.take_noted().empty());
  const OpenRequest request = persistent(before.request());
  EXPECT_EQ(before.table.take_noted(), std::vector{kFile});
  EXPECT_TRUE(before.table.take_noted().empty());
  if (before.group) return;  // which keeps nothing of a file between two events here
  EXPECT_TRUE(before.table.disconnect(before.ref(request)));
  EXPECT_EQ(before.table.take_noted(), std::vector{kFile});
}

// A LOCK that a dead worker's client waits for is not granted to nobody.
TEST_F(OpenImagesOfWorkers, WaitForNothingWhenTheirWorkerHasDied) {
  const OpenRequest kept = persistent(shared.request(0)), other = shared.request(1);
  ASSERT_EQ(shared.open(1, other).decision.verdict, Verdict::kGo);
  const LockRange range{0, 1, true};
  ASSERT_EQ(shared.tables[1]->lock(ref(other), {{range}}, true, {1}).verdict, Verdict::kGo);
  ASSERT_EQ(shared.tables[0]->lock(ref(kept), {{range}}, false, {2}).verdict, Verdict::kWait);
  shared.kill(0);
  EXPECT_TRUE(shared.tables[1]->locks_of(ref(kept)).waiting.empty());
  EXPECT_EQ(shared.tables[1]->unlock(ref(other), {{range}}), NtStatus::kSuccess);
  EXPECT_TRUE(shared.tables[1]->locks_of(ref(kept)).held.empty());
}

// [MS-FSA] 2.1.5.1.2.1: an open that may not delete the file gets along with what keeps a stream.
TEST_F(OpenImages, MayComeBackBesideAStreamThatIsKept) {
  const OpenImage image = image_of(persistent(before.request()));
  OpenRequest keeps = after.request(2);
  keeps.share_access = kShareRead | kShareWrite;
  ASSERT_EQ(after.open(keeps, {kFile.device, kFile.inode, 9}).decision.verdict, Verdict::kGo);
  EXPECT_TRUE(restore(image));
  OpenImage deletes = image;
  deletes.delete_on_close = true;
  deletes.persistent_id++;
  EXPECT_FALSE(restore(deletes));
}

TEST_F(OpenImages, PendingDeletionOfTheStreamComesBack) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  OpenRequest request = before.request();
  request.path = path("f");
  ASSERT_EQ(before.open(request, stream).decision.verdict, Verdict::kGo);
  const Deleter deleter = make_deleter(std::make_shared<const UnixCredentials>(), "share");
  ASSERT_EQ(
      before.table
          .set_delete_pending({stream, request.token}, true, DeleteSemantics::kLastClose, deleter)
          .verdict,
      Verdict::kGo);
  ASSERT_TRUE(before.table.set_durability({stream, request.token}, Durability::kPersistent));
  const OpenImage image = image_of(request, stream);
  EXPECT_TRUE(image.of_stream.is_pending);
  EXPECT_FALSE(image.of_name.is_pending);
  const auto open = restore(image, stream);
  ASSERT_TRUE(open);
  EXPECT_TRUE(after.table.is_delete_pending(*open));
  const CloseDecision closed = after.table.close(*open);
  EXPECT_TRUE(closed.delete_now);
  EXPECT_FALSE(closed.stream_deleters.empty());
}

// Of opens that sleep: nobody else may bind their key.
TEST_F(OpenImages, LeaseKeysAreKeptAndLetGo) {
  const LeaseId lease{.client = client(1), .key = lease_key(1), .user = {}};
  const FileKey elsewhere{1, 300, 0};
  EXPECT_TRUE(after.table.keep_lease_key(lease, kFile));
  EXPECT_FALSE(after.table.keep_lease_key(lease, elsewhere));
  EXPECT_EQ(after.table.check_lease_key(lease, elsewhere), NtStatus::kInvalidParameter);
  after.table.drop_lease_key(lease, kFile);
  EXPECT_EQ(after.table.check_lease_key(lease, elsewhere), NtStatus::kSuccess);
  // Not that of an open that is there.
  after.open(after.lease(1, "R"));
  after.table.drop_lease_key(lease, kFile);
  EXPECT_EQ(after.table.check_lease_key(lease, elsewhere), NtStatus::kInvalidParameter);
}

}  // namespace
}  // namespace braid::filestate
