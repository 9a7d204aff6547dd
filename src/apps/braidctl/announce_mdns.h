// MdnsOnLink: Multicast DNS on one link, over both families.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "apps/braidctl/announce_context.h"
#include "apps/braidctl/mdns_responder.h"
#include "runtime/asio.h"

namespace braid::braidctl {

// The sockets and the clock of an MdnsResponder. What comes to an address of this machine is left
// to another responder, such as avahi-daemon, as only one program would get it: RFC 6762, 15
// "Considerations for Multiple Responders on the Same Machine". Held by its coroutines, too, until
// end(). Thread: that of the context.
class MdnsOnLink : public std::enable_shared_from_this<MdnsOnLink> {
 public:
  MdnsOnLink(AnnounceContext& all, ServedLink link);

  // To the addresses of now, the first time too; and to try again what did not work.
  void update(const ServedLink& link);
  // Says good-bye.
  void end();

 private:
  using Udp = boost::asio::ip::udp;

  void open_family(int family);
  void send(const std::vector<MdnsResponder::Packet>& packets);
  void go_on();  // sends what is due, and waits for what comes next
  boost::asio::awaitable<void> hear(std::shared_ptr<MdnsOnLink> self,
                                    std::shared_ptr<Udp::socket> socket);

  AnnounceContext& all_;
  ServedLink link_;
  MdnsResponder responder_;
  boost::asio::steady_timer clock_;
  std::array<std::shared_ptr<Udp::socket>, 2> sockets_;  // by family; null: not open
  std::string said_;  // under which names the log says that it is found
  bool is_over_ = false;
};

}  // namespace braid::braidctl
