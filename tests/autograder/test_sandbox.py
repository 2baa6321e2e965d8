"""The sandbox: what an answer cannot reach, how it is stopped, and that only checked bytes are believed."""

import json
import os
import random
import struct
import threading
import time

import pytest
import torch
from safetensors.torch import save as save_tensors

from autograder.sandbox import (
    Call,
    Case,
    Construct,
    Limits,
    Other,
    Outcome,
    Raised,
    Returned,
    Sandbox,
    SandboxError,
    runner,
    wire,
)
from autograder.sandbox.frames import WireError

LIMITS = Limits(wall_s=4, cpu_s=4, memory_mb=1024)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(LIMITS) as sandbox:
        yield sandbox


def run(sandbox, source, *args, entry="f", **more):
    """The outcomes of `source` (or of cells) with one case for each list of arguments."""
    cells = [("answer.py", source)] if isinstance(source, str) else source
    return sandbox.run(cells, entry, [Case((Call(tuple(a)),)) for a in args or [()]], **more)


def raised(sandbox, source, *args, **more):
    found = run(sandbox, source, *args, **more)[0].raised
    assert found is not None
    return found


# ---- what comes back


ODD = """
import sys, warnings, os, torch
print("x" * 1_000_000)

class Liar(torch.Tensor):
    shape = (3,)
    dtype = "float64"
    def __eq__(self, other): return True
    def detach(self): return torch.zeros(9)
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None): return True

class Silent(Exception):
    def __str__(self): raise ValueError("no")

def f(kind, x):
    print("hello"); warnings.warn("careful"); sys.stderr.write("oops")
    os.write(1, b"out"); os.write(2, b"err")
    os.system("echo hello; echo oops >&2")
    if kind == "numpy": return x.numpy()
    if kind == "list": return [x, 3]
    if kind == "nothing": return None
    if kind == "liar": return x.as_subclass(Liar)
    if kind == "complex": return x.to(torch.complex128)
    if kind == "float8": return x.to(torch.float8_e4m3fn)
    if kind == "sparse": return x.to_sparse()
    if kind == "huge": return x[:1].expand(1 << 40)
    if kind == "many": return [x] * 1000
    if kind == "meta": return x.to("meta")
    if kind == "name": return type("N" * 5000, (), {})()
    if kind == "exit": sys.exit("I am done")
    if kind == "silent": raise Silent
    if kind == "steer": raise ValueError("\\x1b[2J" + chr(0xD800))
    if kind == "deep": return f(kind, x)
    if kind == "memory": return bytearray(1 << 40)
    if kind == "write": x.mul_(2)
    return x
"""


@pytest.fixture(scope="module")
def odd(sandbox):
    """What the answer above gives for each kind, all from one process."""
    kinds = "plain numpy list nothing liar complex float8 sparse huge many meta name".split()
    kinds += "exit silent steer deep memory write".split()
    outcomes = run(sandbox, ODD, *[(kind, torch.tensor([1.0, 2.0])) for kind in kinds])
    return dict(zip(kinds, outcomes, strict=True))


def test_prints_warnings_and_standard_error_do_no_harm(odd):
    (result,) = odd["plain"].results
    assert torch.equal(result.outputs[0], torch.tensor([1.0, 2.0]))
    assert not result.sequence


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [
        ("numpy", (Other("numpy.ndarray"),)),
        ("nothing", (Other("NoneType"),)),
        ("name", (Other("submission." + "N" * 189),)),
    ],
)
def test_of_other_objects_only_the_type_comes_back(odd, kind, outputs):
    assert odd[kind].results[0].outputs == outputs


def test_a_list_is_told_from_a_tensor(odd):
    (result,) = odd["list"].results
    assert result.sequence
    assert torch.equal(result.outputs[0], torch.tensor([1.0, 2.0]))
    assert result.outputs[1] == Other("int")
    assert len(odd["many"].results[0].outputs) == 8


def test_a_tensor_subclass_cannot_lie(odd):
    (output,) = odd["liar"].results[0].outputs
    assert type(output) is torch.Tensor
    assert torch.equal(output, torch.tensor([1.0, 2.0]))


@pytest.mark.parametrize("kind", ["complex", "float8"])
def test_unusual_dtypes_come_back_as_wrong_ones(odd, kind):
    (output,) = odd[kind].results[0].outputs
    assert output.dtype in (torch.complex64, torch.float16)


@pytest.mark.parametrize(
    ("kind", "type", "message"),
    [
        ("sparse", "NotDense", "sparse or quantised"),
        ("huge", "TooLarge", "far larger than was asked for"),
        ("meta", "WrongDevice", "returned a tensor on meta"),
        ("exit", "SystemExit", "I am done"),
        ("silent", "Silent", ""),
        ("steer", "ValueError", "\x1b[2J?"),
        ("deep", "RecursionError", "recursion"),
        ("memory", "MemoryError", ""),
    ],
)
def test_what_cannot_come_back_says_why(odd, kind, type, message):
    found = odd[kind].raised
    assert (found.type, found.stage) == (type, "call")
    assert message in found.message


def test_a_changed_argument_is_seen(odd):
    assert torch.equal(odd["write"].results[0].args_after[1], torch.tensor([2.0, 4.0]))
    assert torch.equal(odd["plain"].results[0].args_after[1], torch.tensor([1.0, 2.0]))


def test_wrong_arity_is_said_with_the_answers_own_signature(sandbox):
    found = raised(sandbox, "def f(queries, keys):\n    return queries", (1, 2, 3))
    assert found.message == "It is called with 3 arguments, but its own signature is `(queries, keys)`."


def test_an_exception_in_forward_shows_the_students_own_line(sandbox):
    source = (
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, size):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Linear(size, size)\n"
        "    def forward(self, x):\n"
        "        return self.layer(x)  # a line of mine\n"
    )
    case = Case((Call((torch.ones(2, 3),)),), Construct((5,)))
    (outcome,) = sandbox.run([("Code cell 3", source)], "Net", [case], notebook=True)
    found = outcome.raised
    assert (found.type, found.stage, found.line) == ("RuntimeError", "call", 7)
    assert found.source == "return self.layer(x)  # a line of mine"
    assert found.place == "Code cell 3"
    assert set(outcome.parameters) == {"layer.weight", "layer.bias"}


def test_cells_share_names_and_a_failing_one_stops_no_other(sandbox):
    cells = [
        ("Code cell 1", "import torch\nscale = 3\nget_ipython().run_line_magic('matplotlib', 'inline')"),
        ("Code cell 2", "raise RuntimeError('a demo that fails')"),
        ("Code cell 3", "def f(x):\n    return scale * x\ndisplay(f)"),
    ]
    (outcome,) = run(sandbox, cells, (torch.ones(2),), notebook=True)
    assert torch.equal(outcome.results[0].outputs[0], torch.tensor([3.0, 3.0]))


def test_a_file_does_not_run_its_own_demo(sandbox):
    source = "def f(x):\n    return x\nif __name__ == '__main__':\n    while True:\n        pass\n"
    assert run(sandbox, source, (torch.ones(1),))[0].raised is None


# ---- what cannot be reached


WITHHELD = {
    "from seqattn_ref import dot_scores": "seqattn_ref.dot_scores",
    "import seqattn_ref.scores": "seqattn_ref.scores",
    "import seqattn_ref; seqattn_ref.dot_scores": "seqattn_ref.dot_scores",
    "from autograder.exercises import find": "autograder.exercises",
    "import autograder.report": "autograder.report",
}


def test_reference_and_checks_cannot_be_imported(sandbox):
    outcomes = run(sandbox, "def f(source):\n    exec(source)", *[(source,) for source in WITHHELD])
    assert [o.raised.message for o in outcomes] == [
        f"`{name}` is not available while an answer is graded; write the answer without it"
        for name in WITHHELD.values()
    ]


def test_a_cell_that_imports_the_reference_fails_to_load(sandbox):
    found = raised(sandbox, "import torch\nfrom seqattn_ref import dot_scores as f")
    assert (found.type, found.stage, found.line) == ("ImportError", "load", 2)


def test_what_lessons_import_is_there(sandbox):
    source = (
        "from autograder import check, hint, needs, progress\n"
        "from seqattn_ref import lab\n"
        "check(3), hint('f'), progress()\n"
        "with needs(check):\n"
        "    raise NotImplementedError\n"
        "def f(x):\n"
        "    return x if lab.__name__ == 'seqattn_ref.lab' else None\n"
    )
    assert torch.equal(run(sandbox, source, (torch.ones(1),))[0].results[0].outputs[0], torch.ones(1))


def test_the_process_knows_nothing_of_the_grader(sandbox, monkeypatch):
    source = (
        "import os, sys\n"
        "def f():\n"
        "    grader = [n for n in sys.modules if n.startswith(('autograder.', 'seqattn_ref.'))]\n"
        "    secret = os.environ.get('SECRET')\n"
        "    raise ValueError(f'{grader} {sys.argv[1:]} {secret} {os.getcwd()} {os.listdir()}')\n"
    )
    monkeypatch.setenv("SECRET", "hunter2")
    with Sandbox(LIMITS) as own:  # started with the secret in our own environment
        message = raised(own, source).message
    assert message.startswith("[] [] None ")
    assert message.endswith(" []")
    assert os.getcwd() not in message


# ---- how it is stopped


def stopped(sandbox, source, *args):
    found = raised(sandbox, source, *args)
    assert found.stage == "limit"
    return found


@pytest.mark.slow
@pytest.mark.parametrize("body", ["while True: pass", "import time; time.sleep(1000)"], ids=["loop", "sleep"])
def test_an_endless_answer_ends_at_the_limit(sandbox, body):
    outcomes = run(sandbox, f"def f(i):\n    {body}", (1,), (2,))
    assert [o.raised.type for o in outcomes] == ["TimeLimit", "TimeLimit"]
    assert outcomes[0].raised.message == "It was stopped after 4 seconds. Look for a loop that never ends."


@pytest.mark.slow
def test_an_endless_cell_ends_at_the_limit(sandbox):
    found = stopped(sandbox, [("first", "x = 1"), ("second", "while True: pass"), ("third", "def f(): pass")])
    assert (found.type, found.place) == ("TimeLimit", "second")


def test_outcomes_before_the_end_are_kept(sandbox):
    outcomes = run(
        sandbox,
        "import os\ndef f(x, i):\n    return x if i < 2 else os._exit(0)",
        *[(torch.ones(1), i) for i in range(4)],
    )
    assert [o.raised and o.raised.type for o in outcomes] == [None, None, "Died", "Died"]
    assert "exit status 0" in outcomes[2].raised.message


def test_too_much_memory_is_an_error_of_the_answer(sandbox):
    source = "def f():\n    hog = []\n    while True:\n        hog.append(bytes(1 << 20))"
    found = raised(sandbox, source)
    assert (found.type, found.line) == ("MemoryError", 4)


@pytest.mark.parametrize("body", ["ctypes.string_at(0)", "os.closerange(3, 100)"], ids=["crash", "closed"])
def test_a_dead_process_is_said_to_be_dead(sandbox, body):
    assert stopped(sandbox, f"import ctypes, os\ndef f():\n    {body}").type == "Died"


GARBAGE = {
    "garbage": b"garbage " * 100,
    "long": struct.pack("<Q", 1 << 62),
    "frame": struct.pack("<Q", 3) + b"abc",
    "cut": struct.pack("<Q", 1000) + b"abc",
    "empty": struct.pack("<Q", 0) * 1000,
}


@pytest.mark.parametrize(
    "name", ["garbage", *(pytest.param(n, marks=pytest.mark.slow) for n in ("long", "frame", "cut", "empty"))]
)
def test_bytes_written_to_every_open_file_are_not_believed(sandbox, name):
    source = (
        "import os\n"
        "def f():\n"
        "    for fd in range(3, 64):\n"
        "        try:\n"
        f"            os.write(fd, {GARBAGE[name]!r})\n"
        "        except OSError:\n"
        "            pass\n"
        "    os._exit(0)\n"
    )
    found = stopped(sandbox, source)
    assert found.type == "Tampered"
    assert found.message.startswith("What came back from the answer's process could not be read (")


def test_a_thread_left_behind_does_not_hold_the_grader_up(sandbox):
    left = "import threading, time\nthreading.Thread(target=time.sleep, args=(20,)).start()\n"
    began = time.monotonic()
    assert run(sandbox, left + "def f(x):\n    return x", (torch.ones(1),))[0].raised is None
    assert time.monotonic() - began < LIMITS.wall_s


@pytest.mark.slow
def test_closing_ends_what_runs():
    sandbox = Sandbox(Limits(wall_s=100, cpu_s=100))
    sandbox.prove()
    found = []

    def wait():
        with pytest.raises(SandboxError, match="was closed"):
            run(sandbox, "while True: pass")
        found.append("ended")

    thread = threading.Thread(target=wait)
    thread.start()
    threading.Timer(2, sandbox.close).start()
    thread.join(timeout=30)
    assert found == ["ended"]


# ---- bytes


GOOD = Outcome(
    (
        Returned(
            (torch.randn(2, 3).T, Other("int")), True, (None, torch.ones(3)), {"0": torch.ones(2), "W": None}
        ),
        Raised("ValueError", "message", "call", 3, "x = 1", "a.py"),
    ),
    {"w": torch.ones(2, 2)},
)


def believed(payload):
    """Whether the bytes were taken; anything but an outcome or a refusal is an error here."""
    try:
        outcome = wire.unpack_outcome(payload)
    except WireError:
        return False
    assert isinstance(outcome, Outcome)
    return True


def test_an_outcome_survives_the_journey():
    back = wire.unpack_outcome(wire.pack_outcome(GOOD))
    returned, failed = back.results
    assert torch.equal(returned.outputs[0], GOOD.results[0].outputs[0])
    assert returned.outputs[1] == Other("int")
    assert returned.args_after[0] is None
    assert returned.gradients["W"] is None
    assert failed == GOOD.results[1]
    assert torch.equal(back.parameters["w"], torch.ones(2, 2))


def test_a_case_keeps_its_strides():
    strided = torch.arange(12.0).view(3, 4).T[::2]
    case = Case((Call((strided, 3, None, 0.5, True), (torch.ones(1), None)),), seed=7)
    back = wire.unpack_case(wire.pack_case(case))
    assert back.calls[0].args[0].stride() == strided.stride()
    assert torch.equal(back.calls[0].args[0], strided)
    assert back.calls[0].args[1:] == (3, None, 0.5, True)
    assert back.seed == 7


def test_flipped_bytes_are_an_outcome_or_refused():
    payload, draw, taken = wire.pack_outcome(GOOD), random.Random(0), 0
    for _ in range(3000):
        changed = bytearray(payload)
        for _ in range(draw.choice([1, 1, 2, 5, 30])):
            place = draw.randrange(len(changed))
            changed[place] = draw.choice([draw.randrange(256), *b'0123456789[]{},:"-'])
        taken += believed(bytes(changed))
    assert 0 < taken < 3000


def test_cut_bytes_are_refused():
    payload = wire.pack_outcome(GOOD)
    assert not any(believed(payload[:size]) for size in range(0, len(payload), 7))


ODD_VALUES = [
    *(None, True, 0, -1, 10**30, 1.5, float("inf"), "x", [], {}, [[]], [None] * 6, [3] * 6, ["x"] * 100),
    *(
        {"other": 3},
        {"other": "int"},
        {"tensor": "0"},
        {"tensor": "9", "stride": [1]},
        {"tensor": ["0"], "stride": 3},
    ),
    *(
        {"tensor": "0", "stride": s}
        for s in ([3, 1], [1, 2], [0, 0], [-1, 1], [1 << 19] * 2, [1], "ab", [[1], [2]])
    ),
]


def test_a_wrong_skeleton_is_refused():
    draw, taken = random.Random(1), 0

    def odd():
        return draw.choice(ODD_VALUES)

    for _ in range(3000):
        returned = {
            "outputs": draw.choice([odd(), [odd()]]),
            "sequence": odd(),
            "args_after": draw.choice([odd(), [odd()]]),
            "gradients": draw.choice([None, odd(), {"0": odd()}]),
        }
        result = draw.choice([returned, {"raised": draw.choice([odd(), [odd() for _ in range(6)]])}, odd()])
        skeleton = {
            "results": draw.choice([[result], odd()]),
            "parameters": draw.choice([None, {"w": odd()}]),
            "stub": odd(),
        }
        payload = save_tensors(
            {"0": torch.ones(2, 3)},
            metadata={"skeleton": json.dumps(draw.choice([skeleton, skeleton, odd()]))},
        )
        taken += believed(payload)
    assert 0 < taken < 3000


def raw(shape, dtype, size, skeleton=None):
    """A payload made by hand with one tensor of any description."""
    result = {
        "outputs": [{"tensor": "0", "stride": [1] * len(shape)}],
        "sequence": False,
        "args_after": [],
        "gradients": None,
    }
    skeleton = skeleton or json.dumps({"results": [result], "parameters": None, "stub": False})
    header = {
        "__metadata__": {"skeleton": skeleton},
        "0": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]},
    }
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + bytes(size)


@pytest.mark.parametrize(
    ("shape", "dtype", "size"),
    [
        ([1 << 62], "F32", 0),
        ([0, 1 << 62, 1 << 62], "F32", 0),
        ([0, 1 << 63], "F32", 0),
        ([1] * 70, "F32", 4),
        ([2], "F32", 4),
        ([-1], "F32", 0),
        ([1.5], "F32", 0),
        ([2], "F8_E4M3", 2),
        ([2], "F4", 1),
        ([1], "STRING", 1),
    ],
)
def test_tensors_that_are_not_what_they_say_are_refused(shape, dtype, size):
    assert not believed(raw(shape, dtype, size))


def test_a_tensor_made_by_hand_is_taken():
    assert believed(raw([1], "F32", 4))


def test_a_skeleton_nested_too_deeply_is_refused():
    assert not believed(raw([1], "F32", 4, skeleton="[" * 100_000))


def test_values_nested_too_deeply_are_refused():
    nested = "null"
    for _ in range(900):
        nested = f'{{"callback": "x", "tensors": {{"a": {nested}}}}}'
    result = f'{{"outputs": [{nested}], "sequence": false, "args_after": [], "gradients": null}}'
    assert not believed(raw([1], "F32", 4, skeleton=f'{{"results": [{result}], "parameters": null}}'))


# ---- without a fork-server


@pytest.fixture(scope="module")
def plain():
    """What there is on macOS and Windows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner.sys, "platform", "other")
        sandbox = Sandbox(LIMITS)
    with sandbox:
        yield sandbox


def test_plain_processes_are_stamped(plain):
    plain.prove()
    assert plain.stamp.startswith("Not tamper-proof: the answers ran in plain processes")


@pytest.mark.slow
def test_plain_processes_give_the_same_outcomes(plain, sandbox):
    for source in ("def f(x):\n    return x + 1", "def f(x):\n    return y", "import os\nos._exit(3)"):
        one, other = (run(s, source, (torch.ones(2),))[0] for s in (plain, sandbox))
        assert wire.pack_outcome(one) == wire.pack_outcome(other)


@pytest.mark.slow
def test_plain_processes_end_at_the_limit_and_with_the_sandbox(plain):
    assert stopped(plain, "while True: pass").type == "TimeLimit"
    assert stopped(plain, "def f():\n    import time; time.sleep(100)").type == "TimeLimit"


# ---- what notebooks allow


@pytest.mark.parametrize(
    "line",
    [
        "get_ipython().run_line_magic('matplotlib', 'inline')",
        "from IPython import get_ipython\nget_ipython().system('pip install torch')",
        "display('hello')",
        "from IPython.display import display, HTML\ndisplay(HTML('<b>hello</b>'))",
        "name = input('Your name? ')",
        "import asyncio\nawait asyncio.sleep(0)",
        "async def g():\n    return 1\nx = await g()",
        "In[-1:], Out.get(3)",
        "print(__name__)",
    ],
    ids=range(9),
)
def test_what_only_makes_sense_in_a_notebook_does_no_harm(sandbox, line):
    source = f"{line}\ndef f(x):\n    return x"
    assert run(sandbox, source, (torch.ones(1),), notebook=True)[0].raised is None
