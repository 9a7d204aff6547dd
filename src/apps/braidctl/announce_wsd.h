// WsdOnLink: WS-Discovery on one link, over both families.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "apps/braidctl/announce_context.h"
#include "runtime/asio.h"

namespace braid::braidctl {

// Held by its coroutines, too, until end(). Thread: that of the context.
class WsdOnLink : public std::enable_shared_from_this<WsdOnLink> {
 public:
  WsdOnLink(AnnounceContext& all, ServedLink link) : all_(all), link_(std::move(link)) {}

  // To the addresses of now, the first time too; and to try again what did not work.
  void update(const ServedLink& link);
  // Says good-bye.
  void end();

 private:
  using Udp = boost::asio::ip::udp;
  using Tcp = boost::asio::ip::tcp;
  struct Metadata {
    IpAddress address;
    std::shared_ptr<Tcp::acceptor> acceptor;
  };

  void update_family(int family);
  bool serve_metadata(const IpAddress& address);
  std::string metadata_of(int family) const;  // where it is
  void say(int family, const std::string& text);
  WsdEnvelope next();

  boost::asio::awaitable<void> hear(std::shared_ptr<WsdOnLink> self,
                                    std::shared_ptr<Udp::socket> socket);
  boost::asio::awaitable<void> accept(std::shared_ptr<WsdOnLink> self,
                                      std::shared_ptr<Tcp::acceptor> acceptor);
  boost::asio::awaitable<void> tell(std::shared_ptr<WsdOnLink> self, Tcp::socket socket,
                                    std::string peer);
  boost::asio::awaitable<void> answer_get(Tcp::socket socket);

  AnnounceContext& all_;
  ServedLink link_;
  std::array<std::shared_ptr<Udp::socket>, 2> sockets_;  // by family; null: not open
  std::vector<Metadata> metadata_;
};

}  // namespace braid::braidctl
