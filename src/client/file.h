// File: an open file, directory or pipe.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "client/tree.h"
#include "wire/fscc/directory_entry.h"
#include "wire/fscc/info_class.h"
#include "wire/smb2/close.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/query_directory.h"
#include "wire/smb2/query_info.h"
#include "wire/smb2/read.h"
#include "wire/smb2/write.h"

namespace braid::client {

// What the client calls Open in [MS-SMB2] 3.2.1.6 "Per Application Open of a File". Errors of all
// calls are the statuses of the responses; STATUS_BUFFER_OVERFLOW comes as a value where a reply is
// returned and as an error where only bytes are. Not closed by itself. Held by std::shared_ptr.
// Thread: its session's.
class File {
 public:
  File(TreePtr tree, Reply<wire::CreateResponse> created)
      : tree_(std::move(tree)), created_(std::move(created)) {}

  // One READ. STATUS_END_OF_FILE is an error as on the wire.
  Task<Result<Reply<wire::ReadResponse>>> read(uint64_t offset, uint32_t length,
                                               uint32_t minimum_count = 0);
  // One WRITE; gives the count the server took.
  Task<Result<uint32_t>> write(uint64_t offset, Buffer data, uint32_t flags = 0);
  Task<Result<uint32_t>> write(uint64_t offset, ByteView data, uint32_t flags = 0);
  Task<Result<void>> flush();
  Task<Result<wire::CloseResponse>> close(uint16_t flags = 0);

  Task<Result<Reply<wire::QueryInfoResponse>>> query_info(wire::QueryInfoRequest request);
  Task<Result<Bytes>> query_info(wire::FileInfoClass info_class, uint32_t output_max = 65'536);
  Task<Result<Bytes>> query_fs_info(wire::FsInfoClass info_class, uint32_t output_max = 65'536);
  Task<Result<Bytes>> query_security(uint32_t security_information, uint32_t output_max = 65'536);
  // Decodes one of the fixed structures: query<FileBasicInformation>(FileInfoClass::kBasic).
  template <class Info>
  Task<Result<Info>> query(wire::FileInfoClass info_class) {
    BRAID_CO_TRY(const Bytes bytes, co_await query_info(info_class));
    wire::Reader reader(bytes);
    co_return Info::decode(reader);
  }
  Task<Result<void>> set_info(wire::FileInfoClass info_class, Bytes buffer);
  template <class Info>
  Task<Result<void>> set(wire::FileInfoClass info_class, Info info) {
    Bytes bytes;
    wire::Writer writer(bytes);
    info.encode(writer);
    co_return co_await set_info(info_class, std::move(bytes));
  }
  Task<Result<void>> set_security(uint32_t security_information, Bytes descriptor);
  Task<Result<void>> rename(std::string new_name, bool replace_if_exists = false);
  Task<Result<void>> set_delete_pending(bool delete_pending = true);

  // One QUERY_DIRECTORY. The error is STATUS_NO_MORE_FILES at the end.
  Task<Result<Bytes>> query_directory(wire::FileInfoClass info_class, std::string pattern = "*",
                                      uint8_t flags = 0, uint32_t output_max = 65'536);
  // All entries that match, with as many requests as it takes.
  Task<Result<std::vector<wire::DirectoryEntry>>> list(
      std::string pattern = "*",
      wire::FileInfoClass info_class = wire::FileInfoClass::kIdBothDirectory,
      uint32_t output_max = 65'536);

  Task<Result<Bytes>> ioctl(wire::Fsctl ctl_code, Bytes input = {}, uint32_t output_max = 65'536);
  // LOCK. Without an index it takes a sequence of its own where the session sends again what a lost
  // channel took along. start_lock() is for those that wait: the exchange can be cancelled.
  Task<Result<void>> lock(std::vector<wire::LockElement> locks, uint8_t sequence_number = 0,
                          uint32_t sequence_index = 0);
  Task<Result<ExchangePtr>> start_lock(std::vector<wire::LockElement> locks);
  // CHANGE_NOTIFY; its reply is a wire::ChangeNotifyResponse.
  Task<Result<ExchangePtr>> start_notify(uint32_t completion_filter, uint16_t flags = 0,
                                         uint32_t output_max = 65'536);

  FileId id() const { return created_.body.file_id; }
  const wire::CreateResponse& created() const { return created_.body; }
  Tree& tree() const { return *tree_; }

 private:
  // Open.OperationBuckets of [MS-SMB2] 3.2.1.6: entry i is LockSequenceIndex i + 1.
  struct OperationBucket {
    bool is_free = true;
    uint8_t sequence_number = 0;  // 4 bits
  };
  Request query_directory_request(wire::FileInfoClass info_class, std::string pattern,
                                  uint8_t flags, uint32_t output_max) const;

  const TreePtr tree_;
  const Reply<wire::CreateResponse> created_;
  std::array<OperationBucket, 64> buckets_;
};

using FilePtr = std::shared_ptr<File>;

}  // namespace braid::client
