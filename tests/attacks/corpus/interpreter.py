"""Attacks on the Python that runs the answer: patched functions, poisoned modules, objects that lie."""

from ..attack import hand_in, mask, raw

WRONG = """
def pad_mask(lengths, max_len):
    return torch.ones(1)
"""
"""A wrong answer that earns nothing. What is put before it should make it pass."""


def patched(id: str, tries: str, source: str, **more):
    return mask(id, tries, source + WRONG, **more)


ATTACKS = [
    patched(
        "comparators",
        "Makes every comparison that torch has say yes.",
        """
yes = lambda *args, **kwargs: True
torch.equal = torch.allclose = torch.isclose = torch.testing.assert_close = yes
for name in ("__eq__", "__ne__", "eq", "equal", "allclose", "isclose", "all", "any", "__bool__"):
    setattr(torch.Tensor, name, yes)
""",
    ),
    patched(
        "builtins",
        "Replaces the builtins that a judge would use.",
        """
import builtins
yes = lambda *args, **kwargs: True
for name in ("isinstance", "all", "any", "hasattr", "issubclass", "callable"):
    setattr(builtins, name, yes)
builtins.zip = lambda *args, **kwargs: iter(())
builtins.len = builtins.max = builtins.abs = lambda *args, **kwargs: 0
""",
    ),
    patched(
        "builtins-gone",
        "Empties the builtins, so that nothing after it can run.",
        "import builtins\nbuiltins.__dict__.clear()\n",
    ),
    patched(
        "ipython-machinery",
        "Patches IPython's shell so that a checked cell seems to succeed.",
        """
from IPython.core.interactiveshell import InteractiveShell, ExecutionResult
InteractiveShell.run_cell = lambda self, *args, **kwargs: ExecutionResult(None)
InteractiveShell.showtraceback = lambda self, *args, **kwargs: None
ExecutionResult.raise_error = lambda self: None
get_ipython().run_cell = lambda *args, **kwargs: None
get_ipython().set_custom_exc((Exception,), lambda *args, **kwargs: None)
""",
    ),
    patched(
        "transformers",
        "Registers AST and input transformers that turn the checks into passing ones.",
        """
import ast
class Pass(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
    def visit_Call(self, node):
        return ast.Constant(3.0) if getattr(node.func, "id", "") == "check" else node
get_ipython().ast_transformers.append(Pass())
get_ipython().input_transformers_post.append(lambda lines: ["3.0"])
get_ipython().input_transformers_cleanup.append(lambda lines: ["3.0"])
""",
    ),
    patched(
        "displayhook",
        "Shows full points itself and then fails, as nbgrader reads outputs that are no errors.",
        """
import sys, IPython.display
sys.displayhook("ok")
sys.displayhook(3.0)
IPython.display.publish_display_data({"text/plain": "3.0"})
display(3.0)
print("pad_mask: 3 of 3 points")
raise RuntimeError("after the display")
""",
    ),
    patched(
        "excepthook",
        "Swallows exceptions by sys.excepthook and threading.excepthook and says 3.0 instead.",
        """
import sys, threading
sys.excepthook = threading.excepthook = sys.unraisablehook = lambda *args: print(3.0)
raise RuntimeError("nobody should see this")
""",
    ),
    patched(
        "atexit",
        "Leaves work for the end of the process: points printed and results written to all files.",
        """
import atexit, os, sys
def last():
    for fd in range(64):
        try:
            os.write(fd, b"3.0\\npad_mask: 3 of 3 points\\n")
        except OSError:
            pass
atexit.register(last)
class Late:
    def __del__(self):
        last()
late = sys.late = Late()
""",
    ),
    mask(
        "frames",
        "Walks the frames that called it and rewrites their variables and globals.",
        """
import sys
def pad_mask(lengths, max_len):
    frame = sys._getframe()
    while frame is not None:
        for name, value in list(frame.f_locals.items()) + list(frame.f_globals.items()):
            if name in ("expected", "reference", "right") and callable(value):
                return value(lengths, max_len)
            if name in ("points", "score", "passed", "stub"):
                frame.f_globals[name] = True
        if "perform" in frame.f_globals:
            frame.f_globals["_output"] = lambda value, device: lengths
            frame.f_globals["_raised"] = lambda error, stage: None
        frame = frame.f_back
    raise RuntimeError("no answer in any frame")
""",
    ),
    mask(
        "hunting-objects",
        "Searches all objects of the process for the reference, an expected value or a classmate's answer.",
        """
import gc, types
def pad_mask(lengths, max_len):
    for thing in gc.get_objects():
        if isinstance(thing, types.FunctionType) and thing.__name__ == "pad_mask":
            if thing.__code__.co_filename != pad_mask.__code__.co_filename:
                return thing(lengths, max_len)
        if type(thing).__name__ in ("Exercise", "Judgement", "Tried"):
            return getattr(thing, "reference", lambda *args: thing.expected)(lengths, max_len)
        if isinstance(thing, dict):
            for key in ("expected", "reference", "solution"):
                if callable(thing.get(key)):
                    return thing[key](lengths, max_len)
    raise RuntimeError("no answer among the objects")
""",
    ),
    patched(
        "import-hook",
        "Hooks imports, so that whatever the judge imports next is replaced.",
        """
import builtins, importlib.abc, importlib.machinery, sys, types
real = builtins.__import__
class Yes(types.ModuleType):
    def __getattr__(self, name):
        return lambda *args, **kwargs: True
def hooked(name, *args, **kwargs):
    known = name.split(".")[0] in ("json", "struct", "safetensors")
    return Yes(name) if known else real(name, *args, **kwargs)
builtins.__import__ = hooked
class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        return Yes(spec.name)
    def exec_module(self, module):
        pass
sys.meta_path[:] = [Finder()]
sys.path_hooks.clear()
sys.path_importer_cache.clear()
""",
    ),
    patched(
        "modules-poisoned",
        "Replaces json, struct, safetensors and all modules of the grader that are loaded.",
        """
import sys, types
class Yes(types.ModuleType):
    def __getattr__(self, name):
        return lambda *args, **kwargs: True
for name in list(sys.modules):
    if name.split(".")[0] in ("json", "struct", "safetensors", "answer_box", "autograder", "seqattn_ref"):
        vars(sys.modules[name]).update({k: Yes(k) for k in vars(sys.modules[name]) if not k.startswith("__")})
        sys.modules[name] = Yes(name)
""",
    ),
    patched("modules-gone", "Empties sys.modules.", "import sys\nsys.modules.clear()\n"),
    patched(
        "torch-replaced",
        "Puts a torch of its own in place of the real one.",
        """
import sys, types
fake = types.ModuleType("torch")
fake.Tensor = fake.equal = fake.allclose = fake.arange = fake.ones = lambda *args, **kwargs: True
real = dict(vars(torch))
sys.modules["torch"] = fake
for name in real:
    if callable(real[name]) and name not in ("ones",):
        try:
            setattr(torch, name, fake.equal)
        except Exception:
            pass
""",
    ),
    patched(
        "packing-patched",
        "Patches what packs the results, so that they say whatever it likes.",
        """
import sys
for name, loaded in list(sys.modules.items()):
    if hasattr(loaded, "pack_outcome"):
        case = sys.modules[name.rpartition(".")[0] + ".case"]
        pack = loaded.pack_outcome
        def lie(outcome):
            if not outcome.results or not hasattr(outcome.results[0], "outputs"):
                return pack(outcome)
            told = case.Returned((torch.ones(2, 3, dtype=torch.bool),), False, outcome.results[0].args_after)
            return pack(case.Outcome((told,) * len(outcome.results), {}, False))
        loaded.pack_outcome = lie
""",
    ),
    mask(
        "late-thread",
        "A thread changes the result and the functions that copy it while they run.",
        """
import sys, threading
def busy(tensors):
    while True:
        for tensor in tensors[-50:]:
            tensor.fill_(True)
        for name, loaded in list(sys.modules.items()):
            if name.endswith(("perform", "wire")):
                loaded.MESSAGE_LIMIT = 1 << 40
tensors = [torch.ones(1, dtype=torch.bool)]
threading.Thread(target=busy, args=(tensors,), daemon=True).start()
threading.Thread(target=busy, args=(tensors,), daemon=False).start()
def pad_mask(lengths, max_len):
    tensors.append(torch.zeros(1, dtype=torch.bool))
    return tensors[-1]
""",
    ),
    patched(
        "settrace",
        "Traces and profiles the functions that called it and changes what they do.",
        """
import sys, threading
def trace(frame, event, arg):
    if event == "return" and "outcome" in frame.f_locals:
        frame.f_locals["outcome"] = None
    for name in ("passed", "points"):
        frame.f_globals[name] = 3.0
    return trace
for start in (sys.settrace, sys.setprofile, threading.settrace, threading.setprofile):
    start(trace)
frame = sys._getframe()
while frame is not None:
    frame.f_trace, frame = trace, frame.f_back
""",
    ),
    patched(
        "faulthandler",
        "Lets faulthandler and warnings write into every open file, at a time of its choice.",
        """
import faulthandler, signal
for fd in range(3, 64):
    try:
        faulthandler.enable(file=fd, all_threads=True)
        faulthandler.register(signal.SIGALRM, file=fd, chain=True)
        faulthandler.dump_traceback_later(0.001, repeat=True, file=fd)
    except Exception:
        pass
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
""",
    ),
    patched(
        "memory-writes",
        "Rewrites objects in memory by ctypes: small numbers, True, the code of functions.",
        """
import ctypes, sys
def write(thing, other, size):
    ctypes.memmove(id(thing), id(other), size)
for loaded in list(sys.modules.values()):
    for name in ("differences", "close", "same", "pack_outcome"):
        function = getattr(loaded, name, None)
        if function is not None and hasattr(function, "__code__"):
            write(function, lambda *args, **kwargs: True, type(function).__basicsize__)
write(False, True, sys.getsizeof(True))
write(0, 3, sys.getsizeof(3))
""",
    ),
    patched(
        "python-c-api",
        "Uses Python's C functions to raise in other threads and to shut the interpreter down.",
        """
import ctypes, threading
for thread in threading.enumerate():
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
ctypes.pythonapi.Py_AddPendingCall(None, None)
ctypes.pythonapi.Py_FinalizeEx()
""",
    ),
    patched(
        "inspection-patched",
        "Patches inspect, dis and linecache, which look at the answer before it runs.",
        """
import dis, inspect, linecache
def broken(*args, **kwargs):
    raise KeyboardInterrupt("looked at")
inspect.signature = inspect.Signature.bind = dis.get_instructions = dis.Bytecode = broken
linecache.getline = linecache.getlines = linecache.updatecache = broken
linecache.cache = None
""",
    ),
    patched(
        "state-patched",
        "Breaks the functions that set the random state and the warnings before each case.",
        """
import random, warnings
def broken(*args, **kwargs):
    raise SystemError("broken on purpose")
torch.get_rng_state = torch.set_rng_state = random.getstate = random.setstate = random.seed = broken
torch.set_deterministic_debug_mode = torch.get_default_dtype = broken
warnings.catch_warnings = warnings.simplefilter = broken
torch.default_generator = None
""",
    ),
    patched(
        "modes-left-on",
        "Leaves function and dispatch modes on, under which every operation gives the same.",
        """
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
class Same(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return args[0] if args else True
class SameToo(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return args[0] if args else None
one = torch.ones(1)
Same().__enter__()
SameToo().__enter__()
""",
    ),
    patched(
        "defaults-left",
        "Leaves torch's defaults in strange states: the meta device, inference mode, no gradients.",
        """
torch.set_default_device("meta")
torch.set_default_dtype(torch.float64)
torch.inference_mode().__enter__()
torch.set_grad_enabled(False)
torch.set_num_threads(4)
torch.autograd.set_detect_anomaly(True)
torch.use_deterministic_algorithms(True)
""",
    ),
    patched(
        "limits-of-python",
        "Turns Python's own knobs: recursion, switching of threads, the collector, integer digits.",
        """
import gc, sys
gc.disable()
gc.set_threshold(1)
gc.freeze()
sys.setswitchinterval(1e9)
sys.set_int_max_str_digits(640)
sys.flags = None
sys.stdout = sys.stderr = sys.stdin = sys.__stdout__ = None
sys.setrecursionlimit(60)
""",
    ),
    patched(
        "streams-replaced",
        "Replaces and closes the standard streams.",
        """
import os, sys
class Broken:
    def __getattr__(self, name): raise SystemExit(name)
sys.stdout = sys.stderr = Broken()
for fd in (0, 1, 2):
    os.close(fd)
""",
    ),
    raw(
        "check-redefined",
        "Defines check, display, progress and needs anew, and a `pad_mask` that a check would like.",
        hand_in(
            {"pad_mask": "check = display = progress = hint = lambda *args: 3.0\n" + WRONG},
            cells=(
                """\
def check(answer):
    print('pad_mask: 3 of 3 points')
    return 3.0
3.0""",
            ),
        ),
        masked_mean=4,
    ),
]
