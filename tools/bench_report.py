"""docs/benchmarks.md and its pictures, out of what tools/bench.py measured."""
import os

import bench_rows
import bench_svg

# A client that was busy for a larger part of the time was perhaps what was measured.
CLIENT_BUSY_MAX = 0.9


def ratio(result, number):
    """{"median", "low", "high"} of braid's number by Samba's, or None."""
    return (result.get("ratios") or {}).get(number)


def spread(numbers):
    """As braid-bench makes them."""
    numbers = sorted(numbers)
    middle = len(numbers) // 2
    median = numbers[middle] if len(numbers) % 2 else (numbers[middle - 1] + numbers[middle]) / 2
    return {"median": median, "low": numbers[0], "high": numbers[-1]}


def shown(found, digits=2):
    """Of a spread."""
    if not found:
        return "-"
    if found["low"] == found["high"]:
        return f"{found['median']:.{digits}f}"
    return f"{found['median']:.{digits}f} ({found['low']:.{digits}f} to {found['high']:.{digits}f})"


def summary(result):
    """The one number of a measurement: the server's processor time, of idle connections its memory."""
    ratios = result.get("ratios") or {}
    if "load" not in result:
        return "measured"
    if result["load"] == "idle":
        memory = ratios.get("memory_bytes")
        return "measured" if memory is None else f"{memory:.3f} of the memory"
    return shown(ratios.get("server_cpu_us"))


def client_was_busy(result):
    return any((server.get("client_busy") or {}).get("median", 0) > CLIENT_BUSY_MAX
               for server in result["servers"])


def any_client_was_busy(groups, measured):
    return any(client_was_busy(result) for results in measured["file_systems"].values()
               for group in groups for row in group.rows
               if (result := results.get(row.name)) and "error" not in result)


def verdict(row, result):
    """What falls short of what is asked for, in words; empty: nothing."""
    short = []
    cpu = ratio(result, "server_cpu_us")
    if row.goal is not None and (not cpu or cpu["median"] > row.goal):
        short.append("CPU")
    rate = ratio(result, "operations_per_second")
    if rate and rate["median"] < bench_rows.THROUGHPUT_MIN:
        short.append("throughput")
    late = ratio(result, "latency_p99_us")
    if late and late["median"] > bench_rows.P99_MAX:
        short.append("p99")
    return short


def table(group, results):
    lines = ["| load | protection | server CPU | goal | throughput | p50 | p99 | short of its goal |",
             "|---|---|---|---|---|---|---|---|"]
    for row in group.rows:
        result = results.get(row.name)
        if result is None:
            continue
        if "error" in result:
            lines.append(f"| {row.label} | {row.protection} | not measured: {result['error']} | | | | | |")
            continue
        mark = "*" if client_was_busy(result) else ""
        goal = "" if row.goal is None else f"{row.goal:.2f}"
        lines.append(f"| {row.label} | {row.protection} | {shown(ratio(result, 'server_cpu_us'))} | {goal} | "
                     f"{shown(ratio(result, 'operations_per_second'))}{mark} | "
                     f"{shown(ratio(result, 'latency_p50_us'))}{mark} | "
                     f"{shown(ratio(result, 'latency_p99_us'))}{mark} | "
                     f"{', '.join(verdict(row, result)) or 'no'} |")
    return lines


def protection_costs(groups, results):
    """What signing and encryption add to braid's own processor time."""
    lines = []
    for group in groups:
        for row in group.rows:
            if row.protection != "plain" or row.key.split()[-1] not in bench_rows.PROTECTION_COST_SIZES:
                continue
            costs = {}
            for other in group.rows:
                result = results.get(other.name)
                if other.key == row.key and result and "error" not in result:
                    cost = result["servers"][0]["server_cpu_us"]
                    costs[other.protection] = cost["median"] if cost else 0
            for protection, most in bench_rows.PROTECTION_COST_MAX.items():
                if costs.get("plain") and costs.get(protection):
                    added = costs[protection] / costs["plain"] - 1
                    lines.append(f"| {row.label} | {protection} | {added:+.0%} | {most:.0%} | "
                                 f"{'no' if added <= most else 'yes'} |")
    if not lines:
        return []
    return ["What protection adds to braid's own processor time for a plain request, of the same run:", "",
            "| load | protection | added | at most | short of its goal |", "|---|---|---|---|---|", *lines, ""]


def idle_lines(result):
    if "error" in result:
        return [f"Idle connections were not measured: {result['error']}", ""]
    each = (result.get("ratios") or {}).get("memory_bytes")
    text = f"{result['connections']:,} idle connections with a session and a share: none refused. "
    if each is not None:
        text += (f"Memory of each, by Samba's: {each:.3f} (goal: {bench_rows.IDLE_GOAL}; "
                 f"{'kept' if each <= bench_rows.IDLE_GOAL else 'short of it'}).")
    return [text, ""]


def limits_lines(results):
    """Large READs by what the machine does alone."""
    limits = results.get("limits")
    if limits is None:
        return []
    if "error" in limits:
        return [f"The limits of the machine were not measured: {limits['error']}", ""]
    lines = []
    for name, limit in bench_rows.LIMITS.items():
        result = results.get(name)
        if not result or "error" in result:
            continue
        server = result["servers"][0]
        rate = server["bytes_per_second"]["median"]
        part = rate / limits[f"{limit}_bytes_per_second"]
        cells = [f"{part:.2f}"]
        if server["server_cpu_us"]:
            bytes_each = rate / server["operations_per_second"]["median"]
            of_cpu = bytes_each / (server["server_cpu_us"]["median"] / 1e6)
            cells.append(f"{of_cpu / limits[f'{limit}_bytes_per_cpu_second']:.2f}")
        else:
            cells.append("-")
        kept = "no" if part >= bench_rows.LIMIT_PART_MIN else "yes"
        what = {"sendfile": "a bare loop of sendfile", "gcm": "AES-128-GCM alone, one thread"}[limit]
        lines.append(f"| {name} | {what} | {' | '.join(cells)} | {bench_rows.LIMIT_PART_MIN:.2f} | {kept} |")
    if not lines:
        return []
    return ["Beside what the machine does alone, in the same run:", "",
            "| load | by | bytes a second | bytes for a second of CPU | goal of the first | short of its goal |",
            "|---|---|---|---|---|---|", *lines, ""]


def channels_lines(result):
    """A byte's processor time with several channels by that with one."""
    if "error" in result:
        return [f"Several channels were not measured: {result['error']}", ""]
    counts = [str(count) for count in bench_rows.CHANNELS[1:]]
    lines = ["The server's CPU for each byte over several channels, by that over one. Each channel has a link of its own "
             "(veth) without a limit, between two network namespaces.", "",
             f"| load | protection | {' | '.join(counts)} | at most | short of its goal |",
             "|---|---|" + "---|" * (len(counts) + 2)]
    most = 1 + bench_rows.CHANNELS_COST_MAX
    for load in result["loads"]:
        spreads = [load["cpu"].get(count) for count in counts]
        short = any(not each or each["median"] > most for each in spreads)
        lines.append(f"| {load['label']} | {load['protection']} | {' | '.join(map(shown, spreads))} | {most:.2f} | "
                     f"{'yes' if short else 'no'} |")
    return lines + [""]


def crowd_lines(result, idle):
    if "error" in result:
        return [f"Many connections were not measured: {result['error']}", ""]
    text = (f"{result['connections']:,} idle connections, then {result['busy']:,} of them busy, with {result['workers']} "
            f"worker{'s' if result['workers'] > 1 else ''}: none refused, all answered.")
    each, alone = result["servers"][0]["memory_bytes"], None
    if idle and "error" not in idle:
        alone = idle["servers"][0]["memory_bytes"]
    if each and alone:
        text += (f" An idle one took {each / alone:.2f} of the memory that one took among "
                 f"{idle['connections']:,}.")
    return [text, ""]


# What is measured once, on the first file system, besides rows.
ONCE = ("idle", "crowd", "channels")
TITLES = {"idle": "idle connections", "crowd": "many connections", "channels": "several channels",
          "limits": "the limits of the machine"}


def not_run(groups, measured):
    """What make bench measures and this run did not, a line for each file system."""
    lines = []
    for number, (file_system, results) in enumerate(measured["file_systems"].items()):
        missing = []
        for group in groups:
            names = [row.name for row in group.rows if row.name not in results]
            missing += [f"all of {group.title}"] if len(names) == len(group.rows) else names
        missing += [TITLES[name] for name in ("limits", *(ONCE if number == 0 else ())) if name not in results]
        if missing:
            lines.append(f"- {file_system}: {'; '.join(missing)}")
    return ["Not in this run:", "", *lines, ""] if lines else []


def falls_short(lines):
    return any(line.endswith("| yes |") or "; short of it)" in line for line in lines)


def pictures(groups, file_system, results):
    """{file name: SVG}"""
    found = {}
    for group in groups:
        rows = []
        for row in group.rows:
            cpu = ratio(results.get(row.name) or {}, "server_cpu_us")
            if cpu:
                rows.append((row.name, cpu["median"], cpu["low"], cpu["high"], row.goal))
        if rows:
            found[f"{file_system}-{group.key}.svg"] = bench_svg.bars(f"{group.title}, {file_system}", rows)
    return found


def page(groups, measured, picture_folder):
    """The lines of docs/benchmarks.md."""
    about = measured["about"]
    lines = ["# Beside Samba", "",
             "Written by `make bench`; do not edit. How to run and read it: [performance.md](performance.md).", ""]
    if about["is_short"]:
        lines += ["**This is a short run: it shows that everything runs, and says nothing of how fast.**", ""]
    lines += [
        f"braid {about['braid']} beside Samba {about['samba']}, both on the same machine at the same time, in turn: "
        f"{about['rounds']} pairs of rounds of {about['seconds']} s for each row. Linux {about['kernel']}, "
        f"{about['processors']} processors ({about['processor']}), which servers and client share; {about['date']}.",
        "",
        "All numbers are ratios, braid's by Samba's, of the same load (`braid-bench`, two connections with four "
        "operations in flight each): the median of the pairs, and in parentheses the smallest and the largest. Server "
        "CPU is user and system time of all processes of a server for each operation: less is better, as with p50 and "
        "p99, the latency at the client. Of throughput more is better. Beside the goals for the server's CPU, "
        "throughput may not be below 1 and p99 not above 1 in any row."
        + (" A star: the client had no time left, so that throughput and latencies are its own."
           if any_client_was_busy(groups, measured) else ""), "",
        *not_run(groups, measured)]
    short = {}
    for file_system, results in measured["file_systems"].items():
        lines += [f"## {file_system}", ""]
        for group in groups:
            if not any(row.name in results for row in group.rows):
                continue
            lines += [f"### {group.title}", ""]
            name = f"{file_system}-{group.key}.svg"
            if name in pictures([group], file_system, results):
                lines += [f"![{group.title}, {file_system}]({picture_folder}/{name})", ""]
            lines += table(group, results) + [""]
            for row in group.rows:
                result = results.get(row.name)
                if result and "error" not in result and verdict(row, result):
                    short.setdefault(row.name, []).append(
                        f"{file_system} ({', '.join(verdict(row, result))})")
        others = {"what protection adds": protection_costs(groups, results),
                  "the limits of the machine": limits_lines(results)}
        if "idle" in results:
            others["idle connections"] = ["### Idle connections", "", *idle_lines(results["idle"])]
        if "crowd" in results:
            others["many connections"] = crowd_lines(results["crowd"], results.get("idle"))
        if "channels" in results:
            others["channels"] = ["### Channels", "", *channels_lines(results["channels"])]
        for name, its_lines in others.items():
            lines += its_lines
            if falls_short(its_lines):
                short.setdefault(f"{name} (see the table)", []).append(file_system)
    lines += ["## Short of their goals", ""]
    if short:
        lines += ["The reasons that were found stand in [performance.md](performance.md).", ""]
        lines += [f"- {name}: {', '.join(where)}" for name, where in short.items()]
    else:
        lines += ["None."]
    return lines


def write(groups, measured, path):
    folder = os.path.join(os.path.dirname(path), "benchmarks")
    os.makedirs(folder, exist_ok=True)
    for file_system, results in measured["file_systems"].items():
        for name, svg in pictures(groups, file_system, results).items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(svg)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(page(groups, measured, "benchmarks")) + "\n")
