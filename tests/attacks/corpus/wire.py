"""Attacks on what comes back from the answer's process: forged, broken, huge or withheld results."""

from ..attack import Attack, mask

FORGE = """
import json, os, struct, sys, time

def everywhere(data):
    for fd in range(3, 1024):
        try:
            os.set_blocking(fd, True)
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view):]
        except OSError:
            pass

def framed(payload):
    return struct.pack("<Q", len(payload)) + payload

def tensors(skeleton, shape=(1,), dtype="F32", data=bytes(4), header=None):
    head = header or json.dumps({
        "__metadata__": {"skeleton": skeleton if isinstance(skeleton, str) else json.dumps(skeleton)},
        "0": {"dtype": dtype, "shape": list(shape), "data_offsets": [0, len(data)]},
    })
    head = head.encode() if isinstance(head, str) else head
    return framed(struct.pack("<Q", len(head)) + head + data)

def returned(outputs=({"tensor": "0", "stride": [1]},), after=(), gradients=None, sequence=False):
    return {"outputs": outputs, "sequence": sequence, "args_after": after, "gradients": gradients}

def outcome(*results, parameters=None, stub=False):
    return {"results": results, "parameters": parameters, "stub": stub}
"""
"""What the attacks below write their results with."""

WRONG = "\ndef pad_mask(lengths, max_len):\n    return torch.ones(1)\n"


def forged(id: str, tries: str, source: str, **more) -> Attack:
    """Writes its own results in the cell, before any case is put to the answer, and ends the process."""
    return mask(id, tries, f"{FORGE}{source}\nos._exit(0)\n{WRONG}", **more)


def fields(id: str, tries: str, source: str, **more) -> Attack:
    """Answers each of a hundred cases with the outcome that `source` calls `forged`."""
    return forged(id, tries, f"{source}\neverywhere(tensors(forged) * 100)", **more)


ATTACKS = [
    forged(
        "forged-verdicts",
        "Writes verdicts in every form a grader might believe to every open file and exits with status 0.",
        """
for text in (
    '{"file": "a.py", "exercise": "pad_mask", "score": 3.0, "max_score": 3.0, "checks": []}',
    "pad_mask: 3 of 3 points", "3.0", "PASS", "ok 1\\n1..1",
):
    everywhere(framed(text.encode()))
    everywhere(text.encode() + b"\\n")
""",
    ),
    fields(
        "forged-outcomes",
        "Writes well-formed outcomes of its own, all True, for more cases than there are.",
        "forged = outcome(returned())",
    ),
    fields(
        "forged-odd-dtypes",
        "Claims results of a dtype that most operations of torch refuse.",
        "forged = outcome(*[returned([{'tensor': '0', 'stride': [3, 1]}])] * 4)\n"
        "kinds = (('U16', 2), ('U64', 8), ('BOOL', 1))\n"
        "tensors = lambda f: b''.join(globals()['pack'](f, d, s) for d, s in kinds)\n"
        "def pack(f, dtype, size):\n"
        "    head = json.dumps({'__metadata__': {'skeleton': json.dumps(f)},\n"
        "        '0': {'dtype': dtype, 'shape': [2, 3], 'data_offsets': [0, 6 * size]}}).encode()\n"
        "    return framed(struct.pack('<Q', len(head)) + head + b'\\xff' * (6 * size))",
    ),
    fields(
        "forged-too-many-results",
        "Claims more results, arguments and gradients than were asked for, of other kinds.",
        """\
one = {'tensor': '0', 'stride': [1]}
forged = outcome(*[returned([one] * 8, [one] * 64, {str(i): one for i in range(64)}, True)] * 16,
                 parameters={f'w{i}': one for i in range(64)})""",
    ),
    fields("forged-nothing", "Claims outcomes without results.", "forged = outcome()"),
    fields(
        "forged-stub",
        "Claims that nothing was attempted, beside results.",
        "forged = outcome(returned(), stub=True)",
    ),
    fields(
        "forged-exceptions",
        "Claims an exception whose fields steer terminals, break HTML and hold enormous numbers.",
        r"""
evil = "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>{{7*7}}\u202e" + "m" * 1_000_000
forged = outcome({"raised": ["T" * 100_000, evil, "limit", 10 ** 4000, evil, evil]})
""",
    ),
    fields(
        "forged-exceptions-odd",
        "Claims an exception at a stage and a line that do not exist.",
        'forged = outcome({"raised": ["", "", "load", -1, None, ""]}, returned(), parameters={"": None})',
    ),
    fields(
        "forged-copies",
        "Names one tensor of 4 MB a hundred times, each time with strides that ask for a copy of its own.",
        """\
one = {'tensor': '0', 'stride': [2]}
forged = outcome(returned([one] * 8, [one] * 64, {str(i): one for i in range(28)}))
plain = tensors
tensors = lambda f: plain(f, [1 << 20], data=bytes(4 << 20))""",
    ),
    fields(
        "forged-strides",
        "Claims strides that ask the grader for terabytes of memory, many times over.",
        """\
one = {'tensor': '0', 'stride': [(1 << 20) - 1] * 16}
forged = outcome(returned([one] * 8, [one] * 64, {str(i): one for i in range(64)}))
plain = tensors
tensors = lambda f: plain(f, [2] * 16, data=bytes(4 << 16))""",
    ),
    fields(
        "forged-shape-empty",
        "Claims tensors without elements whose other sizes overflow.",
        """\
one = {'tensor': '0', 'stride': [1, 1, 1]}
forged = outcome(returned([one], [one], {'0': one}))
plain = tensors
tensors = lambda f: plain(f, [0, 1 << 62, 1 << 62], data=b'')""",
    ),
    fields(
        "forged-dimensions",
        "Claims a tensor with a hundred thousand dimensions.",
        """\
one = {'tensor': '0', 'stride': [1] * 100_000}
forged = outcome(returned([one]))
plain = tensors
tensors = lambda f: plain(f, [1] * 100_000)""",
    ),
    fields(
        "forged-nan-json",
        "Puts NaN, infinities and enormous numbers where JSON has numbers.",
        'forged = \'{"results": [{"raised": ["E", "m", "call", NaN, -Infinity, 1e999]}], "parameters": NaN,\''
        " ' \"stub\": Infinity}'",
    ),
    fields(
        "forged-many-digits",
        "Puts a number of a million digits into the JSON.",
        'forged = \'{"results": [{"raised": ["E", "m", "call", \' + "9" * 1_000_000 + \', "s", "p"]}]}\'',
    ),
    fields(
        "forged-deep-json",
        "Nests the JSON a hundred thousand levels deep.",
        "forged = '[' * 100_000 + ']' * 100_000",
    ),
    fields(
        "forged-duplicate-keys",
        "Repeats every key of the JSON, with another value each time.",
        'forged = \'{"results": [], "results": 3, "results": [{"outputs": null, "raised": 3}],\''
        ' \' "stub": false, "stub": [], "parameters": {"W": 3, "W": {}}}\'',
    ),
    forged(
        "forged-header-length",
        "Gives the header of the tensors a length beyond all memory.",
        "for size in (1 << 63, (1 << 64) - 1, 1 << 40, 0):\n"
        "    everywhere(framed(struct.pack('<Q', size) + b'{}'))",
    ),
    forged(
        "forged-header-blank",
        "Sends a header of 60 MB of spaces, twenty times.",
        """\
data = tensors('', header=b'{' + b' ' * (60 << 20) + b'}')
for _ in range(20):
    everywhere(data)""",
    ),
    forged(
        "forged-header-names",
        "Sends a header with a hundred thousand tensors.",
        """\
head = json.dumps({str(i): {'dtype': 'U8', 'shape': [0], 'data_offsets': [0, 0]}
                   for i in range(100_000)})
for _ in range(10):
    everywhere(tensors('', header=head, data=b''))""",
    ),
    forged(
        "forged-overlaps",
        "Sends tensors whose bytes overlap, run backwards and lie outside.",
        """\
for offsets in ([0, 4], [4, 0], [-4, 0], [0, 1 << 62], [3, 7]):
    head = {n: {'dtype': 'F32', 'shape': [1], 'data_offsets': offsets} for n in ('0', '1')}
    everywhere(tensors('', header=json.dumps(head)))""",
    ),
    forged(
        "frame-too-long",
        "Announces a frame of 2^62 bytes and another cut short.",
        "everywhere(struct.pack('<Q', 1 << 62) + b'x' * 1000)",
    ),
    forged(
        "frames-of-64-megabytes",
        "Sends frames as large as may be until it is stopped.",
        """\
data = framed(bytes(64 << 20))
for _ in range(200):
    everywhere(data)""",
    ),
    forged(
        "frames-tiny",
        "Sends ten million empty frames.",
        """\
data = struct.pack('<Q', 0) * 1_000_000
for _ in range(10):
    everywhere(data)""",
    ),
    forged(
        "random-bytes",
        "Writes random bytes to every open file.",
        "everywhere(os.urandom(1 << 20))",
    ),
]
