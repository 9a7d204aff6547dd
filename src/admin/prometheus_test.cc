#include "admin/prometheus.h"

#include <gtest/gtest.h>

namespace braid::admin {
namespace {

using nlohmann::json;

TEST(Prometheus, LinesOfAMetricStandTogether) {
  const json gauge{{"name", "braid_opens"}, {"type", "gauge"}, {"help", "Open."}, {"value", 3u}};
  json other = gauge;
  other["value"] = 5u;
  const json counter{{"name", "braid_x_total"},
                     {"type", "counter"},
                     {"help", "X."},
                     {"labels", {{"share", "a\"b\\c\nd"}}},
                     {"value", 1u}};
  EXPECT_EQ(prometheus_text({{0, json::array({gauge, counter})}, {1, json::array({other})}}),
            "# HELP braid_opens Open.\n# TYPE braid_opens gauge\n"
            "braid_opens{worker=\"0\"} 3\nbraid_opens{worker=\"1\"} 5\n"
            "# HELP braid_x_total X.\n# TYPE braid_x_total counter\n"
            "braid_x_total{worker=\"0\",share=\"a\\\"b\\\\c\\nd\"} 1\n");
}

TEST(Prometheus, AHistogramEndsWithAll) {
  const json times{{"name", "braid_t"},
                   {"type", "histogram"},
                   {"help", "T."},
                   {"labels", json::object()},
                   {"value", 4u},
                   {"sum", 0.5},
                   {"buckets", json::array({json::array({0.25, 1u}), json::array({0.5, 3u})})}};
  EXPECT_EQ(prometheus_text({{2, json::array({times})}}),
            "# HELP braid_t T.\n# TYPE braid_t histogram\n"
            "braid_t_bucket{worker=\"2\",le=\"0.25\"} 1\n"
            "braid_t_bucket{worker=\"2\",le=\"0.5\"} 3\n"
            "braid_t_bucket{worker=\"2\",le=\"+Inf\"} 4\n"
            "braid_t_sum{worker=\"2\"} 0.5\nbraid_t_count{worker=\"2\"} 4\n");
}

TEST(Prometheus, WhatMakesNoSenseIsLeftOut) {
  const json odd{{"name", "braid_t"}, {"buckets", json::array({1, json::array({"x", 2})})}};
  EXPECT_EQ(prometheus_text({{0, json::array({odd})}}),
            "# HELP braid_t \n# TYPE braid_t \nbraid_t_bucket{worker=\"0\",le=\"+Inf\"} 0\n"
            "braid_t_sum{worker=\"0\"} 0\nbraid_t_count{worker=\"0\"} 0\n");
}

}  // namespace
}  // namespace braid::admin
