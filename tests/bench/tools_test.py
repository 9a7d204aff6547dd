#!/usr/bin/python3
"""What `make bench` makes of its measurements, from measurements that were made up."""
import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))

import bench_report  # noqa: E402
import bench_rows  # noqa: E402
import bench_svg  # noqa: E402

GROUPS = bench_rows.groups(names=50, listed=30)


def spread(median, low=None, high=None):
    return {"median": median, "low": median if low is None else low, "high": median if high is None else high}


def result(cpu=0.3, rate=1.5, p99=0.9, busy=0.5, own_cpu=10):
    return {"load": "read",
            "servers": [{"client_busy": spread(busy), "server_cpu_us": spread(own_cpu)}] * 2,
            "ratios": {"server_cpu_us": spread(cpu, cpu - 0.1, cpu + 0.1) if cpu else None,
                       "operations_per_second": spread(rate), "latency_p50_us": spread(0.8),
                       "latency_p99_us": spread(p99)}}


def about(**changes):
    return {"braid": "0.1.0", "samba": "4.17.12-Debian", "kernel": "6.1.0", "processors": 2, "processor": "a <processor>",
            "date": "2026-01-01", "rounds": 5, "seconds": 2.0, "is_short": False} | changes


def measured(results, **changes):
    return {"about": about(**changes), "file_systems": {"ext4": results}}


def page(results, **changes):
    return "\n".join(bench_report.page(GROUPS, measured(results, **changes), "benchmarks"))


class Rows(unittest.TestCase):
    def test_names_are_used_once(self):
        names = [row.name for group in GROUPS for row in group.rows]
        self.assertEqual(len(names), len(set(names)))

    def test_goals_are_there_for_each_protection(self):
        goals = {row.name: row.goal for group in GROUPS for row in group.rows}
        self.assertEqual(goals["READ 1 MiB, encrypted"], 0.45)
        self.assertEqual(goals["WRITE 4 KiB, plain"], 0.40)
        self.assertEqual(goals["open and close of one path by all, signed"], 0.25)


class Page(unittest.TestCase):
    def test_a_row_has_ratios_with_spread_and_its_goal(self):
        self.assertIn("| ECHO | plain | 0.30 (0.20 to 0.40) | 0.45 | 1.50 | 0.80 | 0.90 | no |",
                      page({"ECHO, plain": result()}))

    def test_what_falls_short_is_named_in_the_row_and_at_the_end(self):
        text = page({"ECHO, plain": result(cpu=0.5, rate=0.9, p99=1.1)})
        self.assertIn("| CPU, throughput, p99 |", text)
        self.assertIn("- ECHO, plain: ext4 (CPU, throughput, p99)", text)

    def test_a_goal_is_not_reached_by_what_was_not_measured(self):
        self.assertIn("| ECHO | plain | - | 0.45 |", page({"ECHO, plain": result(cpu=None)}))
        self.assertEqual(bench_report.verdict(GROUPS[0].rows[0], result(cpu=None)), ["CPU"])

    def test_a_row_without_a_goal_may_cost_what_it_likes(self):
        row = next(row for group in GROUPS for row in group.rows if row.goal is None)
        self.assertEqual(bench_report.verdict(row, result(cpu=3)), [])

    def test_an_error_stands_in_its_row(self):
        self.assertIn("not measured: no such thing", page({"ECHO, plain": {"error": "no such thing"}}))

    def test_a_busy_client_is_starred(self):
        self.assertIn("| 1.50* | 0.80* | 0.90* |", page({"ECHO, plain": result(busy=0.95)}))

    def test_a_star_is_explained_where_there_is_one(self):
        self.assertIn("A star:", page({"ECHO, plain": result(busy=0.95)}))
        self.assertNotIn("A star:", page({"ECHO, plain": result(busy=0.5)}))

    def test_what_did_not_run_is_named_once(self):
        everything = {row.name: result() for group in GROUPS for row in group.rows}
        limits = {f"{name}_bytes_per_{unit}": 1e9 for name in ("sendfile", "gcm") for unit in ("second", "cpu_second")}
        once = {"limits": limits, "channels": {"loads": []},
                "idle": {"load": "idle", "connections": 1000, "ratios": {},
                         "servers": [{"memory_bytes": 20_000.0}]},
                "crowd": {"connections": 10, "busy": 1, "workers": 1, "servers": [{"memory_bytes": None}]}}
        for name in bench_rows.LIMITS:
            everything[name]["servers"][0] |= {"bytes_per_second": spread(8e8), "operations_per_second": spread(800)}
        self.assertNotIn("Not in this run", page(everything | once))
        del everything["lease break, signed"]
        text = page(everything)
        self.assertIn("- ext4: lease break, signed; the limits of the machine; idle connections; many connections; "
                      "several channels\n", text)
        self.assertNotIn("were not measured", text)
        for row in GROUPS[-1].rows:
            del everything[row.name]
        self.assertIn("- ext4: lease break, signed; all of Algorithms; the limits", page(everything))
        # Those that are measured once are not missed on the other file system.
        both = measured(everything | once)
        both["file_systems"]["tmpfs"] = everything
        self.assertIn("- tmpfs: lease break, signed; all of Algorithms; the limits of the machine\n",
                      "\n".join(bench_report.page(GROUPS, both, "benchmarks")))

    def test_a_short_run_says_so(self):
        self.assertIn("says nothing of how fast", page({}, is_short=True))
        self.assertNotIn("says nothing of how fast", page({}))

    def test_the_cost_of_protection_is_that_of_the_same_load(self):
        results = {"READ 64 KiB, plain": result(own_cpu=100), "READ 64 KiB, signed": result(own_cpu=112),
                   "READ 64 KiB, encrypted": result(own_cpu=120), "READ 4 KiB, plain": result(own_cpu=1),
                   "READ 4 KiB, signed": result(own_cpu=5)}
        text = page(results)
        self.assertIn("| READ 64 KiB | signed | +12% | 10% | yes |", text)
        self.assertIn("| READ 64 KiB | encrypted | +20% | 25% | no |", text)
        self.assertRegex(text, r"(?m)^- what protection adds \(see the table\): ext4$")
        self.assertNotIn("+400%", text)

    def test_memory_of_idle_connections_has_its_goal(self):
        idle = {"load": "idle", "connections": 1000, "ratios": {"memory_bytes": 0.018}}
        self.assertIn("by Samba's: 0.018 (goal: 0.02; kept)", page({"idle": idle}))

    def test_large_reads_stand_beside_the_limits(self):
        one = result()
        one["servers"][0] |= {"bytes_per_second": spread(800e6), "operations_per_second": spread(800),
                              "server_cpu_us": spread(500)}
        limits = {"sendfile_bytes_per_second": 1000e6, "sendfile_bytes_per_cpu_second": 4000e6,
                  "gcm_bytes_per_second": 2000e6, "gcm_bytes_per_cpu_second": 2000e6}
        text = page({"READ 1 MiB, plain": one, "READ 1 MiB, encrypted": one, "limits": limits})
        self.assertIn("| READ 1 MiB, plain | a bare loop of sendfile | 0.80 | 0.50 | 0.70 | no |", text)
        self.assertIn("| READ 1 MiB, encrypted | AES-128-GCM alone, one thread | 0.40 | 1.00 | 0.70 | yes |", text)

    def test_channels_may_cost_a_tenth_more(self):
        loads = [{"label": "READ 1 MiB", "protection": protection,
                  "cpu": {"1": spread(1), "2": spread(1.02), "4": spread(1.04), "8": spread(eight)}}
                 for protection, eight in (("plain", 1.09), ("signed", 1.11))]
        text = page({"channels": {"loads": loads}})
        self.assertIn("| READ 1 MiB | plain | 1.02 | 1.04 | 1.09 | 1.10 | no |", text)
        self.assertIn("| READ 1 MiB | signed | 1.02 | 1.04 | 1.11 | 1.10 | yes |", text)
        self.assertIn("were not measured: needs root", page({"channels": {"error": "needs root"}}))

    def test_a_crowd_is_told_by_its_memory(self):
        crowd = {"load": "idle", "connections": 10_000, "busy": 1_000, "workers": 4,
                 "servers": [{"memory_bytes": 15_000.0}]}
        idle = {"load": "idle", "connections": 500, "servers": [{"memory_bytes": 20_000.0}]}
        text = page({"crowd": crowd, "idle": idle})
        self.assertIn("10,000 idle connections, then 1,000 of them busy, with 4 workers: none refused", text)
        self.assertIn("An idle one took 0.75 of the memory that one took among 500.", text)

    def test_spread_is_that_of_the_program(self):
        self.assertEqual(bench_report.spread([9, 1, 4]), spread(4, 1, 9))
        self.assertEqual(bench_report.spread([9, 1, 4, 6]), spread(5, 1, 9))

    def test_no_absolute_times(self):
        self.assertNotRegex(page({"ECHO, plain": result(own_cpu=123.25)}), r"123|\bus\b|µs")

    def test_files_are_written_beside_it(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "benchmarks.md")
            bench_report.write(GROUPS, measured({"ECHO, plain": result()}), path)
            with open(path, encoding="utf-8") as file:
                self.assertIn("(benchmarks/ext4-echo.svg)", file.read())
            xml.parse(os.path.join(folder, "benchmarks", "ext4-echo.svg"))


class Picture(unittest.TestCase):
    def test_is_well_formed_and_shows_what_is_kept(self):
        text = bench_svg.bars("A & B", [("one <", 0.3, 0.2, 0.4, 0.35), ("two", 0.5, 0.5, 0.5, 0.4),
                                        ("three", 9.0, 8.0, 10.0, None)])
        root = xml.fromstring(text)
        kinds = [bar.get("class") for bar in root.iter("{http://www.w3.org/2000/svg}rect") if bar.get("class")]
        self.assertEqual(kinds, ["kept", "short", "none"])
        self.assertIn("9.00 (cut)", text)
        right = max(float(bar.get("x")) + float(bar.get("width"))
                    for bar in root.iter("{http://www.w3.org/2000/svg}rect") if bar.get("class"))
        self.assertLess(right, bench_svg.WIDTH)


if __name__ == "__main__":
    unittest.main()
