#!/usr/bin/env python3
"""tools/mutants.py on a small tree: what it finds, what survives, what it puts back."""
import pathlib
import sys
import tempfile
import unittest
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import mutant_switch  # noqa: E402
import mutants  # noqa: E402
import mutants_together  # noqa: E402
import mutations  # noqa: E402

COMPILER = "clang++-19"
CLAMP = """\
// At least 1 and at most 10 == kMost.
int clamp(int value) {
  if (value < 1) return 1;
  if (value > 10) return 10;
  return value;
}
"""
CLAMP_TEST = """\
int clamp(int value);
int main() {
  while (clamp(0) > 5) {
  }
  return clamp(0) == 1 && clamp(1) == 1 && clamp(5) == 5 && clamp(9) == 9 ? 0 : 1;
}
"""
NINJA = """\
rule make
  command = {compiler} -std=c++20 -Isrc src/demo/clamp.cc src/demo/clamp_test.cc -o $out
build build/demo_test: make src/demo/clamp.cc src/demo/clamp_test.cc
"""
DEMO = mutants.Area(("src/demo/*.cc",), ("build/demo_test",), (("{build}/demo_test",),))


class Sites(unittest.TestCase):
    def kinds(self, line):
        return sorted((kind, after.strip()) for kind, after in mutations.of_line(line, True))

    def test_each_operator_of_a_line_is_one(self):
        self.assertEqual(self.kinds("  if (a && b < 2) return false;"), [
            ("comparison", "if (a && b <= 2) return false;"),
            ("condition", "if (!(a && b < 2)) return false;"),
            ("constant", "if (a && b < 2) return true;"),
            ("constant", "if (a && b < 3) return false;"),
            ("logic", "if (a || b < 2) return false;"),
            ("return", "if (a && b < 2) {}")])

    def test_columns_of_a_row_are_mutated(self):
        self.assertEqual(
            ["  {kX, {Target::kFileOrPipe, Waits::kForEver}, h},",
             "  {kX, {Target::kFileOnly, Waits::kNever}, h},"],
            [after for kind, after in
             mutations.of_line("  {kX, {Target::kFileOnly, Waits::kForEver}, h},", False)
             if kind == "column"])

    def test_statements_go_as_a_whole(self):
        self.assertEqual(self.kinds("  list_->clear();"), [("call", "{}")])
        self.assertEqual(self.kinds("  last_ = now;"), [("statement", "{}")])
        self.assertEqual(self.kinds("  if (ready_) wake(now);"), [
            ("call", "if (ready_) {}"), ("condition", "if (!(ready_)) wake(now);")])

    def test_text_comments_and_declarations_are_left_alone(self):
        for line in ('  say("a == 1");  // b < 2', "  // c = 3;", "  assert(d == 4);",
                     "#include <map>", "  using A = B;", "  Vector<int, kMax> list;",
                     "  void set(Type&& type);"):
            self.assertEqual([each for each in self.kinds(line) if each[0] != "call"], [], line)

    def test_the_second_line_of_a_statement_is_none(self):
        self.assertNotIn("call", [each.kind for each in
                                  mutations.of_text("a.cc", "const auto all =\n    made(of);\n")])

    def test_what_is_chosen_depends_on_the_seed_alone(self):
        found = mutations.of_text("a.cc", CLAMP)
        self.assertEqual(mutants.choose(found, 2, 5), mutants.choose(found, 2, 5))
        self.assertEqual(len({each.line for each in mutants.choose(found, 9, 5)}), 2)


class Switch(unittest.TestCase):
    """What a line becomes, with `on` for the question of which mutant is planted."""

    def planted(self, text, before, after, number=0):
        source = mutant_switch.Source(text)
        mutation = next(each for each in mutations.of_text("a.cc", text)
                        if each.before.strip() == before and each.after.strip() == after)
        self.assertTrue(source.plant(mutation, number))
        return source.planted().split("#line 1\n")[1].replace("braid_mutants::on(0)", "on")

    def test_expressions_are_chosen_between(self):
        self.assertEqual(
            self.planted("  const bool b = f(x == 1, y) || a[i + 1] < z;\n",
                         "const bool b = f(x == 1, y) || a[i + 1] < z;",
                         "const bool b = f(x == 1, y) || a[i + 1] <= z;"),
            "  const bool b = (on ? (f(x == 1, y) || a[i + 1] <= z) : "
            "(f(x == 1, y) || a[i + 1] < z));\n")
        self.assertEqual(
            self.planted("  f(x == 1, y);\n", "f(x == 1, y);", "f(x != 1, y);"),
            "  f((on ? (x != 1) : (x == 1)), y);\n")
        self.assertEqual(self.planted("  return a + b;\n", "return a + b;", "return a - b;"),
                         "  return (on ? (a - b) : (a + b));\n")

    def test_expressions_of_several_lines_keep_them(self):
        self.assertEqual(
            self.planted("  return a ==  1 &&  // why\n         b == c;\n", "b == c;", "b != c;"),
            "  return (on ? (a ==  1 &&          b != c) : (a ==  1 &&\n         b == c));\n")

    def test_statements_conditions_and_numbers(self):
        for text, before, after, planted in (
                ("  stop();  // now", "stop();  // now", "{}  // now",
                 "  { if (!on) stop(); }  // now"),
                ("  if (a) return b;", "if (a) return b;", "if (a) {}",
                 "  if (a) { if (!on) return b; }"),
                ("  if (a) return b;", "if (a) return b;", "if (!(a)) return b;",
                 "  if (static_cast<bool>(a) != on) return b;"),
                ("  f(16, true);", "f(16, true);", "f(17, true);", "  f((16 + on), true);"),
                ("  f(16, true);", "f(16, true);", "f(16, false);", "  f(16, (!on));"),
                ("constexpr size_t kMax = 3;", "constexpr size_t kMax = 3;",
                 "constexpr size_t kMax = 4;", "const size_t kMax = (3 + on);")):
            self.assertEqual(self.planted(text, before, after), planted)

    def test_two_in_one_expression_do_not_stand_together(self):
        text = "  return a ==\n      b && c == d;\n"
        source = mutant_switch.Source(text)
        line = "      b && c == d;"
        for number, (kind, after) in enumerate((("comparison", "      b && c != d;"),
                                                ("logic", "      b || c == d;"))):
            self.assertEqual(source.plant(mutations.Mutation("a.cc", 2, kind, line, after), number),
                             number == 0)

    def test_the_compiler_says_who_is_refused(self):
        source = mutant_switch.Source("int a = 1;\nint b = 2;\n")
        for number, line in ((0, 1), (1, 2)):
            text = source.text.split("\n")[line - 1]
            source.plant(mutations.Mutation("src/a.cc", line, "constant", text,
                                            text.replace(str(line), str(line + 1))), number)
        self.assertEqual(mutant_switch.refused({"src/a.cc": source},
                                               "/x/src/a.cc:2:5: error: not so\n"), {1})


class Demo(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.file = self.root / "src/demo/clamp.cc"
        self.file.parent.mkdir(parents=True)
        self.file.write_text(CLAMP, encoding="utf-8")
        (self.root / "src/demo/clamp_test.cc").write_text(CLAMP_TEST, encoding="utf-8")
        self.tree = self.tree_of()
        (self.root / "build.ninja").write_text(
            NINJA.format(compiler=COMPILER), encoding="utf-8")

    def tree_of(self):
        tree = mutants.Tree(self.root, self.root / "build", 1)
        self.addCleanup(tree.lock.close)
        # Its build.ninja lies beside the sources.
        tree.command = ["ninja", "-C", str(self.root), "--quiet"]
        return tree

    def run_demo(self, chosen):
        return mutants.run_area(self.tree, DEMO, chosen, 0, lambda text: None)

    def of(self, before, after):
        return next(each for each in mutants.candidates(self.root, DEMO)
                    if each.before.strip() == before and each.after.strip() == after)

    def test_found_survived_and_not_compiled(self):
        found = self.of("if (value < 1) return 1;", "if (!(value < 1)) return 1;")
        # 10 is still given back as 10: nothing can tell.
        same = self.of("if (value > 10) return 10;", "if (value >= 10) return 10;")
        untested = self.of("if (value > 10) return 10;", "if (value > 10) {}")
        broken = mutations.Mutation("src/demo/clamp.cc", 5, "call", "  return value;", "  {}")
        results = self.run_demo([found, same, untested, broken])
        self.assertEqual(results, {"found": [found], "survived": [same, untested],
                                   "not compiled": [broken]})
        self.assertEqual(self.file.read_text(encoding="utf-8"), CLAMP)

    def together(self, chosen, area=DEMO):
        said = []
        judge = mutants_together.Judge(self.tree, 2, 1, 0, said.append)
        return mutants_together.run_together(self.tree, area, chosen, judge, said.append), said

    def test_together_all_are_judged_by_one_program(self):
        found = self.of("if (value < 1) return 1;", "if (!(value < 1)) return 1;")
        endless = self.of("if (value < 1) return 1;", "if (value < 1) return 2;")
        same = self.of("if (value > 10) return 10;", "if (value >= 10) return 10;")
        chosen = [found, same]
        self.assertEqual(self.together(chosen)[0], ({"found": [found], "survived": [same]}, []))
        self.assertEqual(self.together([endless])[0][0]["found"], [endless])
        self.assertEqual(self.file.read_text(encoding="utf-8"), CLAMP)
        self.assertFalse((self.root / mutant_switch.HEADER).exists())

    def test_together_what_has_to_be_constant_is_left_for_alone(self):
        self.file.write_text(CLAMP + "int sizes[3];\n", encoding="utf-8")
        constant = mutations.Mutation("src/demo/clamp.cc", 7, "constant", "int sizes[3];",
                                      "int sizes[4];")
        found = self.of("if (value < 1) return 1;", "if (!(value < 1)) return 1;")
        self.assertEqual(self.together([found, constant])[0],
                         ({"found": [found], "survived": []}, [constant]))

    def test_together_says_what_no_test_comes_to(self):
        self.file.write_text(CLAMP + "int other(int i) {\n  return i + 1;\n}\n", encoding="utf-8")
        unreached = self.of("return i + 1;", "return i - 1;")
        results, said = self.together([unreached])
        self.assertEqual(results[0]["survived"], [unreached])
        self.assertIn("reached by no test", said[-1])

    def test_together_a_test_that_fails_without_a_mutant_is_no_measure(self):
        (self.root / "src/demo/clamp_test.cc").write_text("int main() { return 1; }\n",
                                                          encoding="utf-8")
        found = self.of("if (value < 1) return 1;", "if (!(value < 1)) return 1;")
        self.assertIsNone(self.together([found])[0])

    def test_one_that_does_not_end_is_found(self):
        endless = mutations.Mutation("src/demo/clamp.cc", 3, "constant",
                                     "  if (value < 1) return 1;", "  if (value < 1) return 6;")
        with unittest.mock.patch.object(mutants, "GRACE_S", 1):
            self.assertEqual(self.run_demo([endless])["found"], [endless])

    def test_what_is_listed_as_equivalent_is_not_planted(self):
        (self.root / "tools").mkdir()
        (self.root / mutants.EQUIVALENT).write_text(
            "src/demo/clamp.cc\tif (value > 10) return 10;\tif (value >= 10) return 10;\tsame\n",
            encoding="utf-8")
        with self.assertRaises(StopIteration):
            self.of("if (value > 10) return 10;", "if (value >= 10) return 10;")

    def test_a_killed_run_is_put_back(self):
        self.tree.plant(self.of("if (value < 1) return 1;", "if (value <= 1) return 1;"))
        self.assertNotEqual(self.file.read_text(encoding="utf-8"), CLAMP)
        self.tree.lock.close()
        self.tree_of().recover()
        self.assertEqual(self.file.read_text(encoding="utf-8"), CLAMP)

    def test_a_test_that_fails_without_a_mutant_is_no_measure(self):
        (self.root / "src/demo/clamp_test.cc").write_text("int main() { return 1; }\n",
                                                          encoding="utf-8")
        self.assertIsNone(self.run_demo([]))


if __name__ == "__main__":
    if "--compiler" in sys.argv:
        at = sys.argv.index("--compiler")
        COMPILER = sys.argv[at + 1]
        del sys.argv[at:at + 2]
    unittest.main()
