"""Programs of this machine for the guest, with the libraries they need."""
import os
import re
import shutil
import subprocess


def libraries_of(program):
    """What the loader will look for, and where; it names nothing that is missing twice."""
    text = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(0x", text)


def put(root, path):
    """The file under the same name in the guest."""
    to = os.path.join(root, path.lstrip("/"))
    if not os.path.exists(to):
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy(os.path.realpath(path), to)


def put_program(root, program, name=None):
    to = os.path.join(root, "bin", name or os.path.basename(program))
    os.makedirs(os.path.dirname(to), exist_ok=True)
    shutil.copy(os.path.realpath(program), to)
    for library in libraries_of(program):
        put(root, library)


def find(program):
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not found:
        raise FileNotFoundError(f"{program} is not installed")
    return found
