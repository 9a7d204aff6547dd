// Pending deletes, of files, names and streams.
#include <gtest/gtest.h>

#include "filestate/file_state.h"
#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

struct Deleting : ::testing::Test, TestTable {};

// [MS-FSA] 2.1.5.5, phases 1 and 3.
TEST_F(Deleting, PendingDeleteKeepsOthersOutAndGoesWithTheLast) {
  OpenRequest first = request();
  first.path = path("a/b");
  const OpenRequest second = request(2);
  open(first);
  open(second);
  EXPECT_EQ(table.set_delete_pending(ref(first), true).verdict, Verdict::kGo);
  EXPECT_EQ(open(request(3)).decision.status, NtStatus::kDeletePending);
  OpenRequest stat = request(3);
  stat.granted_access = kFileReadAttributes;
  EXPECT_EQ(open(stat).decision.status, NtStatus::kDeletePending);
  EXPECT_FALSE(table.close(ref(first)).delete_now);
  CloseDecision last = table.close(ref(second));
  EXPECT_TRUE(last.delete_now);
  EXPECT_EQ(last.file, kFile);
  EXPECT_EQ(*last.path, "a/b");
  EXPECT_EQ(open(request(3)).decision.status, NtStatus::kDeletePending) << "not removed yet";
  last = {};
  EXPECT_EQ(open(request(3)).decision.verdict, Verdict::kGo) << "the key may be used again";
}

TEST_F(Deleting, DispositionCanBeTakenBack) {
  const OpenRequest first = request();
  open(first);
  table.set_delete_pending(ref(first), true);
  table.set_delete_pending(ref(first), false);
  EXPECT_EQ(open(request(2)).decision.verdict, Verdict::kGo);
  EXPECT_FALSE(table.close(ref(first)).delete_now);
}

TEST_F(Deleting, DeleteOnCloseBecomesPendingAtThatClose) {
  OpenRequest first = request();
  first.delete_on_close = true;
  const OpenRequest second = request(2);
  open(first);
  EXPECT_EQ(open(second).decision.verdict, Verdict::kGo);
  EXPECT_FALSE(table.close(ref(first)).delete_now);
  EXPECT_TRUE(table.is_delete_pending(ref(second)));
  EXPECT_EQ(open(request(3)).decision.status, NtStatus::kDeletePending);
  EXPECT_TRUE(table.close(ref(second)).delete_now);
}

TEST_F(Deleting, DeletePendingComesBeforeBreaks) {
  const OpenRequest first = oplock(OplockLevel::kBatch);
  open(first);
  table.set_delete_pending(ref(first), true);
  EXPECT_EQ(open(request(2)).decision.status, NtStatus::kDeletePending);
  EXPECT_EQ(sink.take_breaks(), "");
}

TEST_F(Deleting, StreamsShareTheFateOfTheirFile) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  OpenRequest main = request();
  main.path = path("f");
  const OpenRequest of_stream = request(2);
  open(main);
  open(of_stream, stream);
  table.set_delete_pending(ref(main), true);
  EXPECT_TRUE(table.is_delete_pending(ref(of_stream, stream)));
  EXPECT_EQ(open(request(3), stream).decision.status, NtStatus::kDeletePending);
  EXPECT_FALSE(table.close(ref(main)).delete_now) << "a stream is open";
  EXPECT_EQ(open(request(3)).decision.status, NtStatus::kDeletePending);
  const CloseDecision last = table.close(ref(of_stream, stream));
  EXPECT_TRUE(last.delete_now);
  EXPECT_EQ(last.file, kFile);
  EXPECT_EQ(*last.path, "f");
}

// [MS-FSA] 2.1.1.4 "Per Link": a name is deleted, pending and gone for itself.
TEST_F(Deleting, ANameOfSeveralGoesAlone) {
  OpenRequest one = request(), two = request(2), again = request(3);
  one.path = path("l1");
  two.path = again.path = path("l2");
  one.is_sole_name = two.is_sole_name = again.is_sole_name = false;
  open(one);
  open(two);
  EXPECT_EQ(table.set_delete_pending(ref(one), true).verdict, Verdict::kGo);
  EXPECT_TRUE(table.is_delete_pending(ref(one)));
  EXPECT_FALSE(table.is_delete_pending(ref(two)));
  EXPECT_TRUE(table.is_delete_pending(kFile, "l1"));
  EXPECT_FALSE(table.is_delete_pending(kFile, "l2"));
  EXPECT_FALSE(table.is_delete_pending({kFile.device, kFile.inode + 1, 0}, "l1"))
      << "nobody has it open";
  EXPECT_EQ(table.pending_links(kFile), 1u);
  EXPECT_EQ(open(again).decision.verdict, Verdict::kGo);
  OpenRequest pending = request(4);
  pending.path = path("l1");
  EXPECT_EQ(open(pending).decision.status, NtStatus::kDeletePending);
  CloseDecision closed = table.close(ref(one));
  EXPECT_TRUE(closed.delete_now) << "nobody else has it open by this name";
  EXPECT_EQ(*closed.path, "l1");
  EXPECT_EQ(open(pending).decision.status, NtStatus::kDeletePending) << "not removed yet";
  closed = {};
  EXPECT_EQ(open(pending).decision.verdict, Verdict::kGo) << "it may be made anew";
  EXPECT_FALSE(table.close(ref(two)).delete_now);
  EXPECT_FALSE(table.close(ref(again)).delete_now);
}

TEST_F(Deleting, ANameIsDeletedWhereARenameHasPutIt) {
  OpenRequest one = request(), two = request(2);
  one.path = path("l1");
  two.path = path("l2");
  one.is_sole_name = two.is_sole_name = false;
  open(one);
  open(two);
  table.renamed(ref(one), path("n1"));
  table.set_delete_pending(ref(two), true);
  EXPECT_EQ(*table.close(ref(two)).path, "l2");
  table.set_delete_pending(ref(one), true);
  EXPECT_EQ(*table.close(ref(one)).path, "n1");
}

// A rename onto another name of the same file leaves one of them.
TEST_F(Deleting, TwoNamesBecomeOne) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  OpenRequest one = request(), two = request(2), of_stream = request(3);
  one.path = path("l1");
  two.path = of_stream.path = path("l2");
  one.is_sole_name = two.is_sole_name = of_stream.is_sole_name = false;
  open(one);
  open(two);
  open(of_stream, stream);
  table.renamed(ref(one), path("l2"));
  table.set_delete_pending(ref(one), true);
  EXPECT_TRUE(table.is_delete_pending(ref(two)));
  EXPECT_TRUE(table.is_delete_pending(ref(of_stream, stream)));
  EXPECT_FALSE(table.close(ref(one)).delete_now);
  EXPECT_FALSE(table.close(ref(two)).delete_now);
  EXPECT_TRUE(table.close(ref(of_stream, stream)).delete_now);
}

TEST_F(Deleting, WhatIsUnlinkedWhileOpenIsDeletedOnce) {
  OpenRequest one = request(), two = request(2);
  one.path = two.path = path("f");
  open(one);
  table.unlinked(kFile, "f");
  EXPECT_EQ(table.path_of(ref(one)), nullptr);
  EXPECT_FALSE(table.any_open_below(""));
  two.is_sole_name = false;
  EXPECT_EQ(open(two).decision.verdict, Verdict::kGo) << "made anew, as another name";
  table.set_delete_pending(ref(one), true);
  EXPECT_FALSE(table.close(ref(one)).delete_now);
  EXPECT_FALSE(table.is_delete_pending(ref(two)));
}

// A file that has one name only is one, wherever something local has moved that.
TEST_F(Deleting, AMovedNameIsStillTheSame) {
  OpenRequest one = request(), two = request(2);
  one.path = path("l1");
  two.path = path("moved");
  open(one);
  open(two);
  EXPECT_EQ(*table.path_of(ref(one)), "moved");
  table.set_delete_pending(ref(one), true);
  EXPECT_FALSE(table.close(ref(one)).delete_now);
  EXPECT_EQ(*table.close(ref(two)).path, "moved");
}

// What is over is only what was being removed.
TEST(DeletingOneName, NameThatIsOpenStays) {
  FileState state(kFile);
  Outcome out;
  OpenRequest request;
  request.token = {1};
  request.share_access = kShareAll;
  request.path = path("f");
  state.open(request, out);
  state.end_delete("f");
  state.end_delete("none");
  state.keep_name("none");
  EXPECT_TRUE(state.find({1})->link->is_at_known_path());
}

TEST(DeletingOneName, NameThatCouldNotBeRemovedIsForgottenWithItsLastOpen) {
  FileState state(kFile);
  Outcome out;
  OpenRequest request;
  request.token = {1};
  request.path = path("f");
  request.delete_on_close = true;
  state.open(request, out);
  EXPECT_TRUE(state.close({1}, out).delete_link);
  EXPECT_NE(state.links().find("f"), nullptr) << "being removed";
  state.keep_name("f");
  EXPECT_EQ(state.links().find("f"), nullptr);
}

// Of a file without a path, as which what is about to be taken from a file is kept, too.
TEST_F(Deleting, EndOfADeletionIsNotThatOfWhatIsBeingTaken) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  OpenRequest first = request(), other = request(2);
  first.delete_on_close = true;
  first.is_sole_name = other.is_sole_name = false;
  other.path = path("other");
  open(first);
  open(other);
  CloseDecision closed = table.close(ref(first));
  ASSERT_TRUE(closed.delete_now);
  StreamsDecision removal = table.begin_stream_removal(ref(other), {&stream, 1});
  ASSERT_EQ(removal.decision.verdict, Verdict::kGo);
  closed = {};
  OpenRequest newcomer = request(3);
  newcomer.path = path("other");
  EXPECT_EQ(open(newcomer).decision.status, NtStatus::kDeletePending);
  removal = {};
  EXPECT_EQ(open(newcomer).decision.verdict, Verdict::kGo);
}

TEST_F(Deleting, AStreamGoesAlone) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  const OpenRequest main = request();
  const OpenRequest of_stream = request(2);
  open(main);
  open(of_stream, stream);
  table.set_delete_pending(ref(of_stream, stream), true);
  CloseDecision closed = table.close(ref(of_stream, stream));
  EXPECT_TRUE(closed.delete_now);
  EXPECT_EQ(closed.file, stream);
  EXPECT_EQ(open(request(3), stream).decision.status, NtStatus::kDeletePending);
  closed = {};
  EXPECT_EQ(open(request(3), stream).decision.verdict, Verdict::kGo);
  EXPECT_FALSE(table.close(ref(main)).delete_now);
}

TEST_F(Deleting, AnOpenStreamThatDoesNotShareDeleteKeepsItsFile) {
  const FileKey stream{kFile.device, kFile.inode, 9};
  OpenRequest of_stream = request();
  of_stream.share_access = kShareRead | kShareWrite;
  open(of_stream, stream);
  OpenRequest deletes = request(2);
  deletes.granted_access = kDelete;
  EXPECT_EQ(open(deletes).decision.status, NtStatus::kSharingViolation);
  deletes.granted_access = kFileReadData;
  EXPECT_EQ(open(deletes).decision.verdict, Verdict::kGo);
}

}  // namespace
}  // namespace braid::filestate
