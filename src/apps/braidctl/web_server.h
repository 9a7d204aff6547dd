// WebServer: HTTP for braidctl web, by Boost.Beast.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

namespace braid::braidctl {

class WebSource;

// What is asked for: "/", "/metrics", "/live", "/style.css", "/script.js", and POST "/end". One
// request for each connection, so that nothing waits behind another.
//
// What HTTP brings is bounded: how long a request is and takes, how many there are, and how many of
// one address; where there is no room, who says nothing gives way. Without a token
// only a Host that is an address or localhost is served, as a page of another name that leads here
// could read everything; with one, browsers keep it to the place that it was given for. What ends
// something takes a token, an Origin that is this one, and the secret of a form.
//
// Thread: run() is one, and has another for `source`.
class WebServer {
 public:
  WebServer(WebSource& source, std::string token);
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  // The port; or why not.
  std::expected<uint16_t, std::string> listen(const std::string& address, uint16_t port);
  // For ever. REQUIRES: listen().
  void run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace braid::braidctl
