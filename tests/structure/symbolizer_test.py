#!/usr/bin/env python3
"""Whether reports of sanitizers name functions, with what packages.txt installs."""
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

OVERFLOWS = """
__attribute__((noinline)) static int named_by_the_report(volatile int* numbers) { return numbers[3]; }
int main(int count, char** arguments) {
  (void)arguments;
  volatile int numbers[3] = {0, 0, 0};
  return named_by_the_report(numbers + count - 1);
}
"""


class Symbolizer(unittest.TestCase):
    def setUp(self):
        presets = (ROOT / "CMakePresets.json").read_text(encoding="utf-8")
        self.version = re.search(r'"CMAKE_C_COMPILER": "clang-(\d+)"', presets).group(1)

    def test_the_package_is_that_of_the_compiler(self):
        lines = (ROOT / "packages.txt").read_text(encoding="utf-8").splitlines()
        packages = {line.split()[0] for line in lines if line}
        self.assertLessEqual({f"clang-{self.version}", f"llvm-{self.version}"}, packages)

    def test_a_report_names_the_function(self):
        """Also where PATH has no llvm-symbolizer: Debian's sanitizers know theirs, which is named after its version."""
        with tempfile.TemporaryDirectory() as folder:
            source, program = pathlib.Path(folder) / "overflows.c", pathlib.Path(folder) / "overflows"
            source.write_text(OVERFLOWS, encoding="utf-8")
            subprocess.run([f"clang-{self.version}", "-O1", "-g", "-fsanitize=address", source, "-o", program],
                           check=True, timeout=120)
            done = subprocess.run([program], env={"PATH": "/nowhere"}, capture_output=True, text=True,
                                  check=False, timeout=120)
        self.assertIn("stack-buffer-overflow", done.stderr)
        self.assertRegex(done.stderr, r"in named_by_the_report .*overflows\.c:2")


if __name__ == "__main__":
    unittest.main()
