#include "apps/braidctl/wsd_message.h"

#include <gtest/gtest.h>

namespace braid::braidctl {
namespace {

const WsdIdentity kWho{
    .id = "urn:uuid:1-2", .name = "FILES & <x>", .workgroup = "WORKGROUP", .instance = 7};

std::string message(const std::string& action, const std::string& body,
                    const std::string& id = "urn:uuid:a-b", const std::string& to = "urn:x") {
  return "<?xml version='1.0'?><!-- > --><s:Envelope a='>'><s:Header><w:To>" + to +
         "</w:To><w:Action>" + action + "</w:Action><w:MessageID>" + id +
         "</w:MessageID></s:Header><s:Body>" + body + "</s:Body></s:Envelope>";
}
const std::string kProbe = "http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe";
const std::string kResolve = "http://schemas.xmlsoap.org/ws/2005/04/discovery/Resolve";
const std::string kGet = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get";

TEST(WsdMessage, Probes) {
  for (const auto& [body, is_of_our_kind] :
       {std::pair("<d:Probe><d:Types>wsdp:Device</d:Types></d:Probe>", true),
        std::pair("<d:Probe><d:Types> x:Printer\n y:Computer </d:Types></d:Probe>", true),
        std::pair("<d:Probe/>", true), std::pair("<d:Probe><d:Types/></d:Probe>", true),
        std::pair("<d:Probe><d:Types>x:Printer</d:Types></d:Probe>", false),
        std::pair("<d:Probe><d:Scopes>ldap:///o</d:Scopes></d:Probe>", false)}) {
    const auto request = parse_wsd(message(kProbe, body));
    ASSERT_TRUE(request) << body;
    EXPECT_EQ(request->kind, WsdRequest::Kind::kProbe);
    EXPECT_EQ(request->message_id, "urn:uuid:a-b");
    EXPECT_EQ(request->is_of_our_kind, is_of_our_kind) << body;
  }
}

TEST(WsdMessage, WhoIsLookedFor) {
  const auto resolve =
      parse_wsd(message(kResolve,
                        "<d:Resolve><w:EndpointReference><w:Address>urn:uuid:1-2</w:Address>"
                        "</w:EndpointReference></d:Resolve>"));
  ASSERT_TRUE(resolve);
  EXPECT_EQ(resolve->kind, WsdRequest::Kind::kResolve);
  EXPECT_EQ(resolve->endpoint, "urn:uuid:1-2");
  const auto get = parse_wsd(message(kGet, "", "urn:uuid:a-b", "urn:uuid:1-2"));
  ASSERT_TRUE(get);
  EXPECT_EQ(get->endpoint, "urn:uuid:1-2");
}

TEST(WsdMessage, WhatIsNoRequestIsNone) {
  const std::string good = message(kProbe, "<d:Probe/>");
  ASSERT_TRUE(parse_wsd(good));
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(parse_wsd(good.substr(0, size)));
  std::string deep, wide;
  for (int i = 0; i < 20; ++i) deep += "<a>";
  for (int i = 0; i < 20; ++i) deep += "</a>";
  for (int i = 0; i < 200; ++i) wide += "<a/>";
  for (const std::string& bad :
       {good + "<a/>", good + "x", "<!DOCTYPE a>" + good, message(kProbe, deep),
        message(kProbe, wide), message(kProbe, "<d:Probe></d:Other>"), message(kProbe, "&lt;"),
        message(kProbe, "<![CDATA[x]]>"), message("http://other/Probe", "<d:Probe/>"),
        message(kProbe, "<d:Probe/>", ""), message(kProbe, "<d:Probe/>", "urn:\"x"),
        message(kProbe, "<d:Probe/>", std::string(200, 'x')), message(kResolve, "<d:Resolve/>"),
        message(kProbe, std::string(kWsdMessageMax, ' '))}) {
    EXPECT_FALSE(parse_wsd(bad)) << bad.substr(0, 300);
  }
}

TEST(WsdMessage, AnswersNameWhomTheyAnswer) {
  const auto request = parse_wsd(message(kProbe, "<d:Probe/>"));
  const std::string text =
      wsd_matches(kWho, "http://192.0.2.1:5357/1-2", {"urn:uuid:new", 3}, *request);
  EXPECT_NE(text.find("<wsa:RelatesTo>urn:uuid:a-b</wsa:RelatesTo>"), text.npos);
  EXPECT_NE(text.find("<wsd:XAddrs>http://192.0.2.1:5357/1-2</wsd:XAddrs>"), text.npos);
  EXPECT_NE(text.find("discovery/ProbeMatches</wsa:Action>"), text.npos);
  EXPECT_NE(text.find("InstanceId=\"7\" MessageNumber=\"3\""), text.npos);
}

TEST(WsdMessage, NamesAreText) {
  const auto get = parse_wsd(message(kGet, "", "urn:uuid:a-b", "urn:uuid:1-2"));
  const std::string text = wsd_metadata(kWho, {"urn:uuid:new", 3}, *get);
  EXPECT_NE(text.find("<pub:Computer>FILES &amp; &lt;x>/Workgroup:WORKGROUP</pub:Computer>"),
            text.npos);
}

}  // namespace
}  // namespace braid::braidctl
