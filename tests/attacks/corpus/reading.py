"""Attacks that read what they may not: the answers, the checks, classmates, the grader's machine."""

from ..attack import Attack, mask

TELL = """
import re
def tell(data):
    data = data if isinstance(data, bytes) else str(data).encode("utf-8", "replace")
    found = re.findall(rb"canary-[0-9a-f]+|root:[^:]*:0:0", data)
    if found:
        raise RuntimeError("read: " + b" ".join(found[:5]).decode())
def use(source):
    '''Answer with somebody else's code, whatever it imports of the course.'''
    tell(source)
    import sys, types
    class Anything(types.ModuleType):
        __path__ = []
        def __getattr__(self, name):
            return lambda *args, **kwargs: None
    sys.modules["seqattn_ref"] = sys.modules["seqattn_ref._checks"] = Anything("seqattn_ref")
    space = {"torch": torch, "__name__": "stolen"}
    exec(source, space)
    return space["pad_mask"](*use.args)
"""
"""`tell` carries a secret out in the message of an exception, `use` answers with code that was found."""


def reads(id: str, tries: str, body: str, top: str = "", **more) -> Attack:
    """`body` runs in the answer with `lengths` and `max_len`; each of its lines may fail for itself."""
    lines = "\n".join("    " + line for line in body.strip("\n").splitlines())
    source = f"{top}{TELL}\ndef pad_mask(lengths, max_len):\n    use.args = lengths, max_len\n{lines}\n"
    return mask(id, tries, f"{source}    return torch.ones(1)\n", **more)


ATTACKS = [
    reads(
        "open-reference",
        "Opens the reference answer and runs it.",
        'return use(open("@REPO@/seqattn_ref/masking.py").read())',
    ),
    reads(
        "open-exercises",
        "Opens the file of the lesson's exercises and runs it.",
        """
import ast
source = open("@REPO@/autograder/exercises/start_here.py").read()
space = {"torch": torch, "wrapped": lambda outer, answer: answer}
for node in ast.parse(source).body:
    if getattr(node, "name", "") == "_build_pad_mask":
        exec(ast.unparse(node), space)
return space["_build_pad_mask"]()(lengths, max_len)
""",
    ),
    reads(
        "import-reference",
        "Imports the reference after it has cleared whatever hides it.",
        """
import importlib, sys
for name in [n for n in sys.modules if n.split(".")[0] in ("seqattn_ref", "autograder")]:
    del sys.modules[name]
sys.meta_path[:] = [f for f in sys.meta_path if f.__module__.startswith("_frozen")
                    or "frozen" in str(f) or "PathFinder" in str(f)]
sys.path.insert(0, "@REPO@")
importlib.invalidate_caches()
return importlib.import_module("seqattn_ref").pad_mask(lengths, max_len)
""",
    ),
    reads(
        "import-exercises",
        "Imports the exercises by a loader of its own, under another name.",
        """
import importlib.machinery, importlib.util, sys
sys.path.insert(0, "@REPO@")
sys.meta_path[:] = [importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter,
                    importlib.machinery.PathFinder]
for name in [n for n in sys.modules if n.split(".")[0] in ("seqattn_ref", "autograder")]:
    del sys.modules[name]
from autograder.exercises import find
return find("pad_mask").reference(lengths, max_len)
""",
    ),
    reads(
        "load-compiled",
        "Loads the reference's compiled bytes from __pycache__.",
        """
import glob, marshal
for path in glob.glob("@REPO@/seqattn_ref/__pycache__/masking*.pyc"):
    return use(marshal.loads(open(path, "rb").read()[16:]))
""",
    ),
    reads(
        "find-reference",
        "Finds the course from what is loaded: sys.path, the lab's file, .pth files, installed metadata.",
        """
import glob, importlib.metadata, json, os, sys
places = set(sys.path) | {os.getcwd()}
for module in list(sys.modules.values()):
    if isinstance(getattr(module, "__file__", None), str):
        places.add(os.path.dirname(module.__file__))
    if isinstance(getattr(module, "__path__", None), list):
        places |= set(map(str, module.__path__))
for place in list(places):
    for path in [*glob.glob(f"{place}/*.pth"), *glob.glob(f"{place}/*/direct_url.json")]:
        for line in open(path).read().replace('"', "\\n").splitlines():
            places.add(line.strip().removeprefix("file://"))
for finder in sys.meta_path:
    places |= set(map(str, getattr(sys.modules.get(finder.__module__), "MAPPING", {}).values()))
for place in sorted(places):
    while len(place) > 1:
        for name in ("seqattn_ref/masking.py", "masking.py", "../masking.py"):
            try:
                return use(open(os.path.join(place, name)).read())
            except (OSError, KeyError):
                pass
        place = os.path.dirname(place)
""",
    ),
    reads(
        "inspect-reference",
        "Asks inspect, pkgutil, linecache and importlib.resources for the source of the course.",
        """
import importlib.resources, inspect, linecache, pkgutil
from seqattn_ref import lab
for attempt in (
    lambda: "".join(linecache.getlines("@REPO@/seqattn_ref/masking.py")),
    lambda: pkgutil.get_data("seqattn_ref", "masking.py"),
    lambda: pkgutil.get_data("seqattn_ref.lab", "../masking.py"),
    lambda: importlib.resources.files("seqattn_ref").joinpath("masking.py").read_text(),
    lambda: (importlib.resources.files("seqattn_ref.lab") / ".." / "masking.py").read_text(),
    lambda: inspect.getsource(inspect.getmodule(lab.train, "@REPO@/seqattn_ref/masking.py")),
):
    try:
        return use(attempt())
    except Exception as error:
        last = error
raise last
""",
    ),
    reads(
        "solutions-above",
        "Looks for ../../../source and solutions from every folder that it knows.",
        """
import glob, json, os, sys
for start in (os.getcwd(), "@SUBMITTED@/somebody/00_start_here", "@COURSE@", "@REPO@", *sys.path):
    for depth in range(6):
        for name in ("source", "solutions", "release", "autograded"):
            for path in glob.glob(os.path.join(start, *[".."] * depth, name, "*", "*.ipynb")):
                for cell in json.load(open(path))["cells"]:
                    source = "".join(cell["source"])
                    tell(source)
                    if "def pad_mask" in source and "NotImplementedError" not in source:
                        return use(source)
""",
    ),
    reads(
        "gradebook-read",
        "Reads the gradebook, which holds tests, grades and comments.",
        """
import sqlite3
for uri in ("file:@COURSE@/gradebook.db?mode=ro", "file:@COURSE@/gradebook.db?immutable=1"):
    try:
        book = sqlite3.connect(uri, uri=True)
        tell("\\n".join(book.iterdump()))
    except sqlite3.Error:
        pass
tell(open("@COURSE@/gradebook.db", "rb").read())
""",
    ),
    reads(
        "classmates-file",
        "Runs the answer out of a classmate's notebook.",
        """
import json
for name in ("aa-honest", "mm-honest", "zz-honest"):
    path = f"@SUBMITTED@/{name}/00_start_here/00_start_here.ipynb"
    for cell in json.load(open(path))["cells"]:
        tell("".join(cell["source"]))
        if "def pad_mask" in "".join(cell["source"]):
            return use("".join(cell["source"]))
""",
    ),
    reads(
        "classmates-import",
        "Imports a classmate's notebook as a module by a loader for notebooks.",
        """
import importlib.machinery, importlib.util, json
class Loader(importlib.machinery.SourceFileLoader):
    def get_data(self, path):
        cells = json.loads(super().get_data(path))["cells"]
        code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        return "\\n".join(c for c in code if "def pad_mask" in c or c.startswith("import torch")).encode()
    def path_stats(self, path):
        raise OSError
path = "@SUBMITTED@/aa-honest/00_start_here/00_start_here.ipynb"
spec = importlib.util.spec_from_file_location("mate", path, loader=Loader("mate", path))
module = importlib.util.module_from_spec(spec)
module.__loader__.exec_module(module)
return module.pad_mask(lengths, max_len)
""",
    ),
    reads(
        "folders-listed",
        "Lists the class, the results, the home and the temporary folder by every function there is.",
        """
import glob, os, pathlib
for place in ("@SUBMITTED@", "@COURSE@", "@OUT@", "@HOME@", "@HOME@/.ssh", "@TMP@", "/proc/self/cwd/..", "..",
              "/", "/home", "/root"):
    for listing in (
        lambda: os.listdir(place), lambda: [e.name for e in os.scandir(place)],
        lambda: glob.glob(place + "/**", recursive=True, include_hidden=True),
        lambda: list(os.walk(place)), lambda: list(pathlib.Path(place).iterdir()),
        lambda: os.listdir(os.open(place, os.O_RDONLY | os.O_DIRECTORY)),
    ):
        try:
            tell(listing())
        except OSError:
            pass
""",
    ),
]
