#include "admin/metrics.h"

#include <nlohmann/json.hpp>

#include "admin/algorithm_names.h"
#include "smb2/audit/audit_log.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/server.h"

namespace braid::admin {

using nlohmann::json;

namespace {

// Times as a histogram of Prometheus has them: counts of what took no longer than a bound.
json histogram(const char* name, const char* help, json labels,
               const smb2::TimeHistogram::Counts& counts) {
  json buckets = json::array();
  uint64_t so_far = 0;
  for (size_t i = 0; i + 1 < smb2::TimeHistogram::kBuckets; ++i) {
    so_far += counts.buckets[i];
    buckets.push_back({smb2::TimeHistogram::bound_s(i), so_far});
  }
  return {{"name", name},
          {"type", "histogram"},
          {"help", help},
          {"labels", std::move(labels)},
          {"buckets", std::move(buckets)},
          {"sum", static_cast<double>(counts.sum_ns) / 1e9},
          {"value", counts.count()}};
}

// Of all shares together; all are 0 where none has persistent handles.
template <class Add>
void add_handle_logs(const smb2::Server& server, const Add& add) {
  uint64_t opens = 0, failed = 0, records = 0, bytes = 0, file_bytes = 0;
  uint64_t appends = 0, refused = 0, written = 0, commits = 0, microseconds = 0;
  for (const auto& share : server.files.persistent->metrics()) {
    const store::HandleLogMetrics& log = share.metrics;
    opens += share.opens;
    failed += log.failure.has_value();
    records += log.records;
    bytes += log.live_bytes;
    file_bytes += log.file_bytes;
    appends += log.appends;
    refused += log.appends_refused;
    written += log.bytes;
    commits += log.commits;
    microseconds += static_cast<uint64_t>(log.commit_time.count() / 1000);
  }
  add("braid_persistent_opens", "gauge", "Opens that outlive this worker.", opens);
  add("braid_handle_logs_failed", "gauge", "Handle logs that cannot be written.", failed);
  add("braid_handle_log_records", "gauge", "Records in the handle logs.", records);
  add("braid_handle_log_live_bytes", "gauge", "Bytes that these records take.", bytes);
  add("braid_handle_log_file_bytes", "gauge", "Bytes of the handle logs on the disk.", file_bytes);
  add("braid_handle_log_appends_total", "counter", "Changes given to the handle logs.", appends);
  add("braid_handle_log_refused_total", "counter", "Changes that could not be written.", refused);
  add("braid_handle_log_written_bytes_total", "counter", "Bytes of the changes written.", written);
  add("braid_handle_log_commits_total", "counter", "Times the handle logs were synced.", commits);
  add("braid_handle_log_commit_microseconds_total", "counter", "Time that took.", microseconds);
}

json handle_log_times(const smb2::Server& server) {
  decltype(store::HandleLogMetrics::commit_times) counts{};
  std::chrono::nanoseconds sum{};
  for (const auto& share : server.files.persistent->metrics()) {
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += share.metrics.commit_times[i];
    sum += share.metrics.commit_time;
  }
  json buckets = json::array();
  uint64_t so_far = 0;
  for (size_t i = 0; i + 1 < counts.size(); ++i) {
    so_far += counts[i];
    buckets.push_back({static_cast<double>(uint64_t{1} << i) / 1e6, so_far});
  }
  return {{"name", "braid_handle_log_commit_seconds"},
          {"type", "histogram"},
          {"help", "How long it took to sync the handle logs."},
          {"labels", json::object()},
          {"buckets", std::move(buckets)},
          {"sum", static_cast<double>(sum.count()) / 1e9},
          {"value", so_far + counts.back()}};
}

// What the keys of all sessions did.
void add_crypto(const crypto::WorkCounters& counters, json& all) {
  using crypto::Cipher;
  using crypto::SigningAlgorithm;
  using crypto::Work;
  const auto add = [&](const char* name, const char* help, auto field) {
    const auto add_row = [&](const char* work, std::string_view algorithm, const auto& counts) {
      all.push_back({{"name", name},
                     {"type", "counter"},
                     {"help", help},
                     {"labels", {{"work", work}, {"algorithm", algorithm}}},
                     {"value", counts.*field}});
    };
    for (const auto algorithm :
         {SigningAlgorithm::kHmacSha256, SigningAlgorithm::kAesCmac, SigningAlgorithm::kAesGmac}) {
      add_row("sign", name_of(algorithm), counters.counts(Work::kSign, algorithm));
      add_row("verify", name_of(algorithm), counters.counts(Work::kVerify, algorithm));
    }
    for (const auto cipher :
         {Cipher::kAes128Ccm, Cipher::kAes128Gcm, Cipher::kAes256Ccm, Cipher::kAes256Gcm}) {
      add_row("encrypt", name_of(cipher), counters.counts(Work::kEncrypt, cipher));
      add_row("decrypt", name_of(cipher), counters.counts(Work::kDecrypt, cipher));
    }
  };
  using Counts = crypto::WorkCounters::Counts;
  add("braid_crypto_messages_total", "Messages that were signed or encrypted, both ways.",
      &Counts::messages);
  add("braid_crypto_bytes_total", "Bytes of those.", &Counts::bytes);
}

// A series for each of the server's addresses: how many there are, clients do not decide.
void add_addresses(const smb2::Server& server, json& all) {
  const auto addresses = server.totals_by_address();
  const auto labels = [](const smb2::Server::AddressTotals& of) -> json {
    return {{"address", of.name.address}, {"transport", of.name.is_rdma ? "rdma" : "tcp"}};
  };
  for (const auto& each : addresses) {
    all.push_back(histogram("braid_channel_seconds",
                            "The same, of the requests that came to an address.", labels(each),
                            each.counters->times.counts()));
  }
  const auto add = [&](const char* name, const char* type, const char* help, auto field) {
    for (const auto& each : addresses) {
      all.push_back({{"name", name},
                     {"type", type},
                     {"help", help},
                     {"labels", labels(each)},
                     {"value", each.*field}});
    }
  };
  using smb2::Server;
  add("braid_channel_connections", "gauge", "Connections to an address.",
      &Server::AddressTotals::connections);
  add("braid_channel_received_bytes_total", "counter", "Bytes that came to it.",
      &Server::AddressTotals::bytes_received);
  add("braid_channel_sent_bytes_total", "counter", "Bytes that went from it.",
      &Server::AddressTotals::bytes_sent);
}

void add_times(const smb2::Server& server, json& all) {
  for (size_t i = 0; i < server.files.command_times.size(); ++i) {
    const auto counts = server.files.command_times[i].counts();
    if (counts.count() == 0) continue;
    all.push_back(histogram("braid_command_seconds",
                            "From when a request is looked at to its answer.",
                            {{"command", name_of(static_cast<wire::Command>(i))}}, counts));
  }
  all.push_back(histogram("braid_break_delivery_seconds",
                          "From what breaks a lease or oplock to when the client's TCP has it.",
                          json::object(), server.files.breaks.counters().delivery.counts()));
  const auto shares = server.settings.shares();
  for (const auto& share : shares->all()) {
    if (share->type() == smb2::ShareType::kPipe) continue;
    all.push_back(histogram("braid_share_seconds", "The same, of the requests on a share.",
                            {{"share", share->name()}}, share->counters().times.counts()));
  }
  const auto add = [&](const char* name, const char* help, auto count) {
    for (const auto& share : shares->all()) {
      if (share->type() == smb2::ShareType::kPipe) continue;
      all.push_back({{"name", name},
                     {"type", "counter"},
                     {"help", help},
                     {"labels", {{"share", share->name()}}},
                     {"value", (share->counters().*count).load(std::memory_order_relaxed)}});
    }
  };
  using smb2::ShareCounters;
  add("braid_share_read_bytes_total", "Bytes that clients read.", &ShareCounters::bytes_read);
  add("braid_share_written_bytes_total", "Bytes that clients wrote.",
      &ShareCounters::bytes_written);
  add("braid_share_refused_total", "Requests that were refused for want of rights.",
      &ShareCounters::refused);
}

}  // namespace

json metrics_of(const smb2::Server& server) {
  const auto totals = server.totals();
  uint64_t in_flight = 0;
  uint64_t unacknowledged = 0;
  const auto connections = server.connections();
  for (const auto& connection : connections) {
    in_flight += connection->counters.requests_in_flight.load(std::memory_order_relaxed);
    // What is sent grows, so it is asked for last.
    const uint64_t acknowledged = connection->transport().bytes_acknowledged();
    unacknowledged += connection->transport().bytes_sent() - acknowledged;
  }
  uint64_t sessions = 0;
  uint64_t channels = 0;
  uint64_t opens = 0;
  for (const auto& session : server.logons.session_table.all()) {
    if (!session->security()) continue;
    ++sessions;
    channels += session->channels().size();
    opens += session->open_count();
  }

  json all = json::array();
  const auto add = [&](const char* name, const char* type, const char* help, uint64_t value) {
    all.push_back({{"name", name}, {"type", type}, {"help", help}, {"value", value}});
  };
  add("braid_connections", "gauge", "Connections, authenticated or not.", connections.size());
  add("braid_sessions", "gauge", "Sessions that have been authenticated.", sessions);
  add("braid_channels", "gauge", "Channels of all sessions.", channels);
  add("braid_opens", "gauge", "Open files, directories and pipes.", opens);
  add("braid_requests_in_flight", "gauge", "Requests without a final answer.", in_flight);
  const WorkerPool::Load load = server.files.pool.load();
  add("braid_file_work_waiting", "gauge", "Pieces of work on files that wait for a thread.",
      load.waiting);
  add("braid_file_work_running", "gauge", "Threads that work on files or wait for a disk.",
      load.running);
  add("braid_unacknowledged_bytes", "gauge", "Bytes sent that no client has acknowledged.",
      unacknowledged);
  add("braid_memory_limit_bytes", "gauge", "What clients may make the server hold.",
      server.memory->limit());
  add("braid_memory_used_bytes", "gauge", "What they make it hold.", server.memory->used());
  add("braid_memory_before_logon_bytes", "gauge", "Of that, connections without a logon.",
      server.memory->used_before_logon());
  add("braid_memory_refused_total", "counter",
      "Requests refused and connections dropped for want of memory.", server.memory->refused());
  add("braid_logons_total", "counter", "Logons that succeeded.", server.logons.logons_done.load());
  add("braid_logons_failed_total", "counter", "Logons that were refused.",
      server.logons.logons_failed.load());
  add("braid_connections_total", "counter", "Connections since the start.", totals.connections);
  add("braid_requests_total", "counter", "Requests since the start.", totals.requests);
  add("braid_received_bytes_total", "counter", "Bytes received from clients.",
      totals.bytes_received);
  add("braid_sent_bytes_total", "counter", "Bytes sent to clients.", totals.bytes_sent);
  add("braid_rdma_placed_bytes_total", "counter", "Data that network cards read and wrote.",
      totals.bytes_placed);
  add("braid_rdma_copied_bytes_total", "counter",
      "Of that, data copied to or from the cards' memory: protected, of pipes, or without room.",
      totals.bytes_copied);
  const auto& compressed = server.compression.totals;
  const auto count = [](const std::atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  add("braid_compressed_received_messages_total", "counter", "Messages that came compressed.",
      count(compressed.in.messages));
  add("braid_compressed_received_bytes_total", "counter", "Bytes of those, as they came.",
      count(compressed.in.wire_bytes));
  add("braid_compressed_received_plain_bytes_total", "counter", "Bytes of those, decompressed.",
      count(compressed.in.plain_bytes));
  add("braid_compressed_sent_messages_total", "counter", "Messages that were sent compressed.",
      count(compressed.out.messages));
  add("braid_compressed_sent_bytes_total", "counter", "Bytes of those, as they went.",
      count(compressed.out.wire_bytes));
  add("braid_compressed_sent_plain_bytes_total", "counter", "Bytes of those before.",
      count(compressed.out.plain_bytes));
  add("braid_compression_given_up_total", "counter",
      "Answers sent as they are because too many waited to be compressed.",
      count(server.compression.given_up));
  add("braid_file_work_turns_total", "counter", "Pieces of work on files that were begun.",
      load.turns_taken);
  add("braid_file_work_withdrawn_total", "counter", "Work on files that nobody wanted any more.",
      load.withdrawn);
  add_handle_logs(server, add);
  const auto& breaks = server.files.breaks.counters();
  add("braid_breaks_undelivered_total", "counter", "Breaks that no connection took.",
      count(breaks.undelivered));
  add("braid_breaks_timed_out_total", "counter", "Breaks that clients did not answer in time.",
      count(breaks.timed_out));
  const auto audit = server.files.audit ? server.files.audit->state() : smb2::AuditLog::State{};
  add("braid_audit_lines_total", "counter", "Lines of the audit that were written.", audit.written);
  add("braid_audit_lost_total", "counter", "Lines of the audit that were lost.", audit.lost);
  add("braid_audit_failed", "gauge", "1 while the audit cannot be written.",
      audit.failure.empty() ? 0 : 1);
  add("braid_crypto_refused_total", "counter",
      "Messages whose signature or encryption did not fit.", server.logons.crypto_work.refused());
  add_crypto(server.logons.crypto_work, all);
  all.push_back(handle_log_times(server));
  add_times(server, all);
  add_addresses(server, all);
  return all;
}

}  // namespace braid::admin
