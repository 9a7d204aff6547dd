#include "verbs/endpoint.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <unordered_map>
#include <utility>

#include "runtime/asio.h"

namespace braid::verbs {

namespace asio = boost::asio;
using transport::smbdirect::QueuePair;

namespace {

constexpr size_t kPolledAtOnce = 32;
// Memory windows that may be bound and not reported yet, beside what the driver posts.
constexpr size_t kBindsMax = 64;

void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

// The kind of what was posted travels in its id: a completion that failed tells nothing else.
constexpr int kKindShift = 60;
constexpr uint64_t kIdMask = (uint64_t{1} << kKindShift) - 1;
constexpr uint64_t kBind = 15;  // none of the driver's

uint64_t id_of(QueuePair::Kind kind, uint64_t id) {
  return (static_cast<uint64_t>(kind) << kKindShift) | (id & kIdMask);
}

QueuePair::Status status_of(ibv_wc_status status) {
  switch (status) {
    case IBV_WC_SUCCESS:
      return QueuePair::Status::kDone;
    case IBV_WC_LOC_LEN_ERR:
      return QueuePair::Status::kLengthError;
    case IBV_WC_RNR_RETRY_EXC_ERR:
      return QueuePair::Status::kReceiverNotReady;
    case IBV_WC_REM_ACCESS_ERR:
    case IBV_WC_REM_INV_REQ_ERR:
    case IBV_WC_REM_OP_ERR:
      return QueuePair::Status::kRemoteRefused;
    default:
      return QueuePair::Status::kFlushed;
  }
}

ibv_sge piece_of(ByteView memory, uint32_t key) {
  return {.addr = reinterpret_cast<uint64_t>(memory.data()),
          .length = static_cast<uint32_t>(memory.size()),
          .lkey = key};
}

}  // namespace

struct Endpoint::Impl {
  explicit Impl(Reactor& reactor) : events(reactor.context()), completions(reactor.context()) {}
  asio::posix::stream_descriptor events;
  asio::posix::stream_descriptor completions;
};

// Owned by the driver; ends the Endpoint.
class Endpoint::Pair final : public QueuePair {
 public:
  explicit Pair(std::shared_ptr<Endpoint> endpoint)
      : endpoint_(std::move(endpoint)), memory_(endpoint_->device_->memory) {}
  ~Pair() override {
    // What is lent goes first: a window holds on to its queue pair, and cards wait for that.
    endpoint_->disconnect();
    for (const auto& [token, lent] : lent_) give_back(lent);
    endpoint_->shut();
  }

  Result<void> post_receive(uint64_t id, MutableByteView to) override {
    BRAID_TRY(ibv_sge piece, local(to));
    ibv_recv_wr request{};
    request.wr_id = id_of(Kind::kReceive, id);
    request.sg_list = &piece;
    request.num_sge = 1;
    ibv_recv_wr* bad = nullptr;
    const int failed = ibv_post_recv(endpoint_->id_->qp, &request, &bad);
    if (failed) return fail_os(failed);
    return {};
  }
  Result<void> post_send(uint64_t id, ByteView from, std::optional<uint32_t> invalidate) override {
    ibv_send_wr request{};
    request.opcode = invalidate ? IBV_WR_SEND_WITH_INV : IBV_WR_SEND;
    if (invalidate) request.invalidate_rkey = *invalidate;
    return post(Kind::kSend, id, from, request);
  }
  Result<void> post_read(uint64_t id, MutableByteView to, const Remote& remote) override {
    ibv_send_wr request{};
    request.opcode = IBV_WR_RDMA_READ;
    request.wr.rdma = {.remote_addr = remote.offset, .rkey = remote.token};
    return post(Kind::kRead, id, to, request);
  }
  Result<void> post_write(uint64_t id, ByteView from, const Remote& remote) override {
    ibv_send_wr request{};
    request.opcode = IBV_WR_RDMA_WRITE;
    request.wr.rdma = {.remote_addr = remote.offset, .rkey = remote.token};
    return post(Kind::kWrite, id, from, request);
  }

  size_t poll(std::span<Completion> into) override {
    size_t count = 0;
    while (count < into.size()) {
      if (found_.empty() && !look()) break;
      into[count++] = found_.front();
      found_.pop_front();
    }
    return count;
  }
  void when_completed(std::move_only_function<void()> callback) override {
    // What comes after this wakes, what came before is found: nothing falls in between.
    if (found_.empty()) ibv_req_notify_cq(endpoint_->queue_, 0);
    if (!found_.empty() || look()) return callback();
    endpoint_->on_completion_ = std::move(callback);
  }

  Buffer memory(size_t size) override { return memory_->take(size); }
  bool reaches(ByteView memory) const override { return memory_->key_of(memory).has_value(); }

  Result<std::shared_ptr<void>> reach(MutableByteView memory) override {
    return memory_->reach(memory);
  }

  Result<Remote> register_memory(MutableByteView memory, uint8_t access) override {
    int flags = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND;
    unsigned reach = 0;
    if (access & PeerMay::kRead) reach |= IBV_ACCESS_REMOTE_READ;
    if (access & PeerMay::kWrite) reach |= IBV_ACCESS_REMOTE_WRITE;
    ibv_pd* domain = endpoint_->device_->domain.get();
    Lent lent;
    Remote remote{.offset = reinterpret_cast<uint64_t>(memory.data()),
                  .length = static_cast<uint32_t>(memory.size())};
    lent.window = ibv_alloc_mw(domain, IBV_MW_TYPE_2);
    if (!lent.window) flags = IBV_ACCESS_LOCAL_WRITE | static_cast<int>(reach);
    lent.region = ibv_reg_mr(domain, memory.data(), memory.size(), flags);
    if (!lent.region) {
      const Error why = Error::last_os_error();
      if (lent.window) ibv_dealloc_mw(lent.window);
      return fail(why);
    }
    remote.token = lent.region->rkey;
    if (lent.window) {
      remote.token = ibv_inc_rkey(lent.window->rkey);
      ibv_send_wr request{};
      request.wr_id = kBind << kKindShift;
      request.opcode = IBV_WR_BIND_MW;
      request.bind_mw = {.mw = lent.window,
                         .rkey = remote.token,
                         .bind_info = {.mr = lent.region,
                                       .addr = remote.offset,
                                       .length = memory.size(),
                                       .mw_access_flags = reach}};
      ibv_send_wr* bad = nullptr;
      if (const int failed = ibv_post_send(endpoint_->id_->qp, &request, &bad)) {
        give_back(lent);
        return fail_os(failed);
      }
    }
    lent_[remote.token] = lent;
    return remote;
  }
  void unregister(uint32_t token) override {
    const auto lent = lent_.find(token);
    if (lent == lent_.end()) return;
    give_back(lent->second);
    lent_.erase(lent);
  }

  void disconnect() override { endpoint_->disconnect(); }
  size_t receives_max() const override { return endpoint_->device_->receives_max; }
  size_t requests_max() const override { return endpoint_->device_->requests_max; }

 private:
  struct Lent {
    ibv_mr* region = nullptr;
    ibv_mw* window = nullptr;  // none where the card has none
  };
  static void give_back(const Lent& lent) {
    if (lent.window) ibv_dealloc_mw(lent.window);
    ibv_dereg_mr(lent.region);
  }

  Result<ibv_sge> local(ByteView memory) const {
    if (endpoint_->is_disconnected_) return fail_os(ENOTCONN);
    if (memory.empty()) return ibv_sge{};
    const auto key = memory_->key_of(memory);
    if (!key) return fail_os(EFAULT);
    return piece_of(memory, *key);
  }
  Result<void> post(Kind kind, uint64_t id, ByteView memory, ibv_send_wr& request) {
    BRAID_TRY(ibv_sge piece, local(memory));
    request.wr_id = id_of(kind, id);
    request.sg_list = &piece;
    request.num_sge = 1;
    ibv_send_wr* bad = nullptr;
    const int failed = ibv_post_send(endpoint_->id_->qp, &request, &bad);
    if (failed) return fail_os(failed);
    return {};
  }

  // What the card has completed since the last look. False: nothing.
  bool look() {
    std::array<ibv_wc, kPolledAtOnce> done;
    while (found_.empty()) {
      const int count = ibv_poll_cq(endpoint_->queue_, static_cast<int>(done.size()), done.data());
      if (count <= 0) return false;
      for (int i = 0; i < count; ++i) note(done[static_cast<size_t>(i)]);
    }
    return true;
  }
  void note(const ibv_wc& done) {
    // Flushes the rest also where the card is not the first to know.
    if (done.status != IBV_WC_SUCCESS) endpoint_->disconnect();
    const uint64_t kind = done.wr_id >> kKindShift;
    if (kind == kBind) return;
    Completion completion{.id = done.wr_id & kIdMask,
                          .kind = static_cast<Kind>(kind),
                          .status = status_of(done.status)};
    if (completion.kind == Kind::kReceive && completion.status == Status::kDone) {
      completion.size = done.byte_len;
      if (done.wc_flags & IBV_WC_WITH_INV) completion.invalidated = done.invalidated_rkey;
    }
    found_.push_back(completion);
  }

  const std::shared_ptr<Endpoint> endpoint_;
  const std::shared_ptr<RegisteredMemory> memory_;
  std::deque<Completion> found_;
  std::unordered_map<uint32_t, Lent> lent_;
};

Endpoint::Endpoint(Reactor& reactor) : reactor_(reactor), impl_(std::make_unique<Impl>(reactor)) {}

Endpoint::~Endpoint() {
  shut();
  // The waits end before what they wait for: their fds are librdmacm's.
  if (impl_->events.is_open()) impl_->events.release();
  if (impl_->completions.is_open()) impl_->completions.release();
  if (queue_) ibv_destroy_cq(queue_);
  if (channel_) ibv_destroy_comp_channel(channel_);
  if (id_) rdma_destroy_id(id_);
  if (events_) rdma_destroy_event_channel(events_);
}

Result<std::shared_ptr<Endpoint>> Endpoint::make(Reactor& reactor, rdma_cm_id* id) {
  std::shared_ptr<Endpoint> endpoint(new Endpoint(reactor));
  endpoint->events_ = rdma_create_event_channel();
  if (!endpoint->events_) {
    const Error why = Error::last_os_error();
    if (id) rdma_destroy_id(id);
    return fail(why);
  }
  if (id) {
    endpoint->id_ = id;
    if (rdma_migrate_id(id, endpoint->events_) != 0) return fail_last_os();
  } else if (rdma_create_id(endpoint->events_, &endpoint->id_, nullptr, RDMA_PS_TCP) != 0) {
    return fail_last_os();
  }
  set_nonblocking(endpoint->events_->fd);
  endpoint->impl_->events.assign(endpoint->events_->fd);
  endpoint->wait_for_events();
  return endpoint;
}

Result<void> Endpoint::make_queue_pair(Devices& devices) {
  BRAID_TRY(device_, devices.device_of(id_->verbs));
  devices_ = &devices;
  channel_ = ibv_create_comp_channel(id_->verbs);
  if (!channel_) return fail_last_os();
  const size_t requests = device_->requests_max + kBindsMax;
  queue_ = ibv_create_cq(id_->verbs, static_cast<int>(requests + device_->receives_max), nullptr,
                         channel_, 0);
  if (!queue_) return fail_last_os();
  ibv_qp_init_attr settings{};
  settings.send_cq = settings.recv_cq = queue_;
  settings.qp_type = IBV_QPT_RC;
  settings.sq_sig_all = 1;
  settings.cap.max_send_wr = static_cast<uint32_t>(requests);
  settings.cap.max_recv_wr = static_cast<uint32_t>(device_->receives_max);
  settings.cap.max_send_sge = settings.cap.max_recv_sge = 1;
  if (rdma_create_qp(id_, device_->domain.get(), &settings) != 0) return fail_last_os();
  set_nonblocking(channel_->fd);
  impl_->completions.assign(channel_->fd);
  wait_for_completions();
  return {};
}

transport::SocketAddress Endpoint::peer() const {
  return {rdma_get_peer_addr(id_), sizeof(sockaddr_storage)};
}

transport::SocketAddress Endpoint::local() const {
  return {rdma_get_local_addr(id_), sizeof(sockaddr_storage)};
}

std::unique_ptr<QueuePair> Endpoint::take_queue_pair() {
  return std::make_unique<Pair>(shared_from_this());
}

void Endpoint::wait_for_events() {
  impl_->events.async_wait(asio::posix::stream_descriptor::wait_read,
                           [weak = weak_from_this()](const boost::system::error_code& failed) {
                             const auto self = weak.lock();
                             if (failed || !self || self->is_shut_) return;
                             self->take_events();
                             if (!self->is_shut_) self->wait_for_events();
                           });
}

void Endpoint::take_events() {
  rdma_cm_event* event = nullptr;
  while (!is_shut_ && rdma_get_cm_event(events_, &event) == 0) {
    const rdma_cm_event_type type = event->event;
    const int status = event->status;
    rdma_ack_cm_event(event);
    if (type == RDMA_CM_EVENT_DISCONNECTED || type == RDMA_CM_EVENT_DEVICE_REMOVAL) disconnect();
    if (type == RDMA_CM_EVENT_DEVICE_REMOVAL && devices_) devices_->removed();
    if (on_event_) on_event_(type, status);
  }
}

void Endpoint::wait_for_completions() {
  impl_->completions.async_wait(asio::posix::stream_descriptor::wait_read,
                                [weak = weak_from_this()](const boost::system::error_code& failed) {
                                  const auto self = weak.lock();
                                  if (failed || !self || self->is_shut_) return;
                                  ibv_cq* queue = nullptr;
                                  void* context = nullptr;
                                  unsigned count = 0;
                                  while (ibv_get_cq_event(self->channel_, &queue, &context) == 0)
                                    ++count;
                                  if (count > 0) ibv_ack_cq_events(self->queue_, count);
                                  self->wait_for_completions();
                                  if (auto callback = std::exchange(self->on_completion_, nullptr))
                                    callback();
                                });
}

// The queue pair goes to the error state, in which the card completes all that it was given.
void Endpoint::disconnect() {
  if (!id_ || !id_->qp || std::exchange(is_disconnected_, true)) return;
  ibv_qp_attr attributes{};
  attributes.qp_state = IBV_QPS_ERR;
  rdma_disconnect(id_);
  ibv_modify_qp(id_->qp, &attributes, IBV_QP_STATE);
}

void Endpoint::shut() {
  if (is_shut_.exchange(true)) return;
  if (!id_ || !id_->qp) return;
  disconnect();
  rdma_destroy_qp(id_);
  // The rest goes on the reactor, which waits for it.
  if (!reactor_.is_current()) {
    if (auto self = weak_from_this().lock()) reactor_.post([self] {});
  }
}

}  // namespace braid::verbs
