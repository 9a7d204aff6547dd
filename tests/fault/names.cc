#include "names.h"

#include "record.h"

namespace braid::fault {

using namespace std::chrono_literals;

namespace {

constexpr uint64_t kFilesKept = 8;
constexpr size_t kFileSize = 3'000;
constexpr uint32_t kFileNumber = 200;

std::string created_name(uint64_t number) { return fmt::format("created\\file-{}", number); }
std::string renamed_name(uint64_t number) { return fmt::format("renamed\\name-{}", number); }
std::string on_disk(std::string name) {
  for (char& letter : name) {
    if (letter == '\\') letter = '/';
  }
  return name;
}

// One file, made by us and by nobody else.
Task<bool> create_one(Context& context, std::string name, Bytes content) {
  const auto file =
      co_await context.tree->open(name, kReadWriteDelete, wire::CreateDisposition::kCreate);
  if (!context.went_well("create", name, file)) co_return false;
  if ((*file)->created().create_action != wire::CreateAction::kCreated) {
    context.fail("create {}: was there", name);
  }
  if (!context.went_well("write", name, co_await (*file)->write(0, ByteView(content)))) {
    co_return false;
  }
  co_return context.went_well("close", name, co_await (*file)->close());
}

Task<bool> must_be_gone(Context& context, std::string name) {
  const auto file = co_await context.tree->open(name);
  if (!file && file.error() == Error(NtStatus::kObjectNameNotFound)) co_return true;
  context.fail("{} is still there: {}", name, file ? "opened" : file.error().message());
  co_return false;
}

Bytes content_of(const Context& context, uint64_t number) {
  return make_record({.file = kFileNumber, .generation = number}, context.seed, kFileSize);
}

}  // namespace

Task<void> create_and_delete(Context& context) {
  uint64_t next = 0;
  uint64_t oldest = 0;
  bool ok = true;
  while (ok && !context.stopping) {
    ok = co_await create_one(context, created_name(next), content_of(context, next));
    ++next;
    if (ok && next - oldest > kFilesKept) {
      const std::string name = created_name(oldest++);
      ok = context.went_well("delete", name, co_await context.tree->unlink(name)) &&
           co_await must_be_gone(context, name);
    }
    co_await context.reactor.sleep_for(10ms);
  }
  for (uint64_t number = oldest; ok && number < next; ++number) {
    context.expected[on_disk(created_name(number))] = {.size = kFileSize,
                                                       .crc32 = crc32(content_of(context, number))};
  }
}

Task<void> rename_again_and_again(Context& context) {
  uint64_t number = 0;
  const Bytes content = content_of(context, 1'000'000);
  bool ok = co_await create_one(context, renamed_name(0), content);
  while (ok && !context.stopping) {
    const std::string name = renamed_name(number);
    const auto file = co_await context.tree->open(name, kReadWriteDelete);
    ok = context.went_well("open", name, file) &&
         context.went_well("rename", name, co_await (*file)->rename(renamed_name(number + 1))) &&
         context.went_well("close", name, co_await (*file)->close()) &&
         co_await must_be_gone(context, name);
    ++number;
    co_await context.reactor.sleep_for(10ms);
  }
  if (ok) {
    context.expected[on_disk(renamed_name(number))] = {.size = kFileSize, .crc32 = crc32(content)};
  }
}

Task<void> append_lines(Context& context) {
  const std::string name = "appended";
  std::string text;
  auto file =
      co_await context.tree->open(name, kReadWriteDelete, wire::CreateDisposition::kOverwriteIf);
  bool ok = context.went_well("open", name, file);
  for (uint64_t number = 0; ok && !context.stopping; ++number) {
    const std::string line = fmt::format("{:08} {:08x}\n", number, crc32(as_bytes(text)));
    ok = context.went_well("append", name, co_await (*file)->write(text.size(), as_bytes(line)));
    text += line;
    if (ok && number % 16 == 15) {  // by another handle from now on
      ok = context.went_well("close", name, co_await (*file)->close());
      file = co_await context.tree->open(name, kReadWriteDelete);
      ok = ok && context.went_well("open", name, file);
      if (ok && (*file)->created().end_of_file != text.size()) {
        context.fail("{}: {} bytes, not {}", name, (*file)->created().end_of_file, text.size());
      }
    }
    co_await context.reactor.sleep_for(10ms);
  }
  if (!ok || !context.went_well("close", name, co_await (*file)->close())) co_return;
  context.expected[name] = {.size = text.size(), .crc32 = crc32(as_bytes(text))};
}

}  // namespace braid::fault
