"""Attacks by what an answer is, returns and raises: objects that lie."""

from ..attack import ADDITIVE_ATTENTION, MASKED_MEAN, PAD_MASK, hand_in, mask, module, raw

ATTACKS = [
    mask(
        "tensor-methods",
        "Patches the methods of torch.Tensor through which its results are copied out.",
        """
def pad_mask(lengths, max_len):
    right = [lengths.new_ones(1)]
    for name in ("detach", "to", "contiguous", "clone", "cpu", "numpy", "tolist", "copy_", "stride", "dim"):
        setattr(torch.Tensor, name, lambda self, *args, **kwargs: right[0])
    torch.Tensor.shape = torch.Tensor.dtype = torch.Tensor.layout = property(lambda self: right[0])
    return torch.ones(1)
""",
    ),
    mask(
        "torch-function-liar",
        "Returns a subclass whose __torch_function__ says yes to every question.",
        """
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True
def pad_mask(lengths, max_len):
    return torch.ones(1).as_subclass(Liar)
""",
    ),
    mask(
        "lying-subclass",
        "Returns a subclass with a lying shape, dtype, length, sum, repr and comparison.",
        """
class Liar(torch.Tensor):
    shape = property(lambda self: torch.Size([len(Liar.lengths), Liar.size]))
    dtype = property(lambda self: torch.bool)
    device = property(lambda self: torch.device("cpu"))
    def __eq__(self, other): return torch.ones_like(other, dtype=torch.bool)
    def __len__(self): return len(Liar.lengths)
    def __getitem__(self, key): return self
    def numel(self): return 0
    def size(self, *args): return self.shape
    def detach(self): return self
    def to(self, *args, **kwargs): return self
    def contiguous(self): return self
    def clone(self): return self
    def item(self): return True
    def all(self, *args): return torch.tensor(True)
def pad_mask(lengths, max_len):
    Liar.lengths, Liar.size = lengths, max_len
    return torch.ones(1).as_subclass(Liar)
""",
    ),
    mask(
        "wrapper-subclass",
        "Returns a tensor without memory that claims a shape and answers every operation itself.",
        """
class Ghost(torch.Tensor):
    @staticmethod
    def __new__(cls, *shape):
        return torch.Tensor._make_wrapper_subclass(cls, shape, dtype=torch.bool)
    def __init__(self, *shape):
        pass
    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return args[0] if args else None
def pad_mask(lengths, max_len):
    return Ghost(len(lengths), max_len)
""",
    ),
    mask(
        "wrapper-subclass-huge",
        "The same with 2^60 elements.",
        """
class Ghost(torch.Tensor):
    @staticmethod
    def __new__(cls, *shape):
        return torch.Tensor._make_wrapper_subclass(cls, shape, dtype=torch.bool)
    def __init__(self, *shape):
        pass
    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return args[0] if args else None
def pad_mask(lengths, max_len):
    return Ghost(1 << 30, 1 << 30)
""",
    ),
    mask(
        "lying-class",
        "Returns an object that claims to be a tensor by __class__, its metaclass and its names.",
        """
class Meta(type):
    __name__ = property(lambda cls: 3)
    __qualname__ = property(lambda cls: {"not": "text"})
    __module__ = property(lambda cls: None)
    def __instancecheck__(cls, thing): return True
    def __eq__(cls, other): return True
    def __hash__(cls): return hash(torch.Tensor)
class Liar(metaclass=Meta):
    __class__ = torch.Tensor
    def __getattr__(self, name): return self
    def __call__(self, *args, **kwargs): return self
    def __eq__(self, other): return True
    def __len__(self): return 3
    def __iter__(self): return iter([self] * 3)
    def __bool__(self): return True
    def __float__(self): return 3.0
    def __index__(self): return 3
def pad_mask(lengths, max_len):
    return Liar()
""",
    ),
    mask(
        "lying-list",
        "Returns a list and a tuple that lie about their length and never end.",
        """
class Endless(tuple):
    def __len__(self): return 1
    def __iter__(self):
        while True:
            yield torch.ones(1)
def pad_mask(lengths, max_len):
    return Endless([torch.ones(1)])
""",
        hangs=True,
    ),
    mask(
        "exceptions-that-lie",
        "Raises exceptions named like the grader's own, with messages that say full points.",
        """
class TimeLimit(Exception):
    type = stage = "limit"
    __str__ = lambda self: "pad_mask: 3 of 3 points\\n  PASS  everything (3)"
TimeLimit.__name__ = TimeLimit.__qualname__ = "PASS"
def pad_mask(lengths, max_len):
    error = TimeLimit()
    error.__traceback__ = None
    error.with_traceback = lambda *args: None
    raise error
""",
    ),
    mask(
        "exceptions-odd-names",
        "Raises exceptions whose class has no proper name and whose message is no proper text.",
        """
class Meta(type):
    __name__ = property(lambda cls: [cls])
class Text(str):
    def __getitem__(self, key): raise SystemExit
    def encode(self, *args): return self
class Odd(Exception, metaclass=Meta):
    def __str__(self): return Text("odd")
def pad_mask(lengths, max_len):
    raise Odd
""",
    ),
    mask(
        "exceptions-long",
        "Raises an exception with a name and a message of many megabytes and half characters.",
        """
Long = type("N" * 5_000_000 + chr(0xDC80), (Exception,), {})
def pad_mask(lengths, max_len):
    raise Long("<script>alert(1)</script>" + chr(0xD800) + "\\x1b[2J\\x00" + "m" * 20_000_000)
""",
    ),
    mask(
        "not-an-exception",
        "Raises what is no Exception: KeyboardInterrupt, GeneratorExit, a BaseException of its own.",
        """
class Base(BaseException):
    pass
count = [0]
def pad_mask(lengths, max_len):
    count[0] += 1
    raise (KeyboardInterrupt, GeneratorExit, Base)[count[0] % 3]
""",
    ),
    mask(
        "exception-group",
        "Raises exceptions that hold one another, nested and in a circle.",
        """
def pad_mask(lengths, max_len):
    one, two = ValueError("one"), ValueError("two")
    one.__context__, two.__context__ = two, one
    one.__cause__, two.__cause__ = two, one
    group = one
    for _ in range(500):
        group = ExceptionGroup("group", [group])
    raise group
""",
    ),
    mask(
        "pickle-bomb",
        "Returns objects that run code when they are unpickled or copied by the grader.",
        """
import os
class Bomb:
    def __reduce__(self):
        return os.system, ("touch @COURSE@/@MARK@-unpickled",)
    __deepcopy__ = __copy__ = lambda self, *args: os.system("touch @COURSE@/@MARK@-copied")
def pad_mask(lengths, max_len):
    return [Bomb(), torch.ones(1)]
""",
    ),
    mask("async-answer", "Answers with a coroutine.", "async " + PAD_MASK),
    mask("generator-answer", "Answers with a generator.", PAD_MASK.replace("return", "yield")),
    mask(
        "object-answer",
        "Answers with an object that counts how often it was asked and lies about its signature.",
        """
class Odd:
    __signature__ = "not a signature"
    __code__ = "not code"
    __name__ = 3
    asked = 0
    def __call__(self, *args, **kwargs):
        Odd.asked += 1
        return torch.ones(Odd.asked)
    def __getattr__(self, name):
        return self
pad_mask = Odd()
""",
    ),
    mask(
        "answer-is-no-function",
        "Gives the exercise's name to a number, a module and a type.",
        """\
import types
pad_mask = 3.0
pad_mask = torch
pad_mask = types.SimpleNamespace(score=3.0)
""",
    ),
    module(
        "module-liar",
        "A module whose parameters, forward and state lie.",
        """
class AdditiveAttention(nn.Module):
    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
    def named_parameters(self, *args, **kwargs):
        shapes = {"W_q.weight": (4, 3), "W_k.weight": (4, 3), "v.weight": (1, 4)}
        while True:
            for name, shape in shapes.items():
                yield name, nn.Parameter(torch.randn(shape))
    def parameters(self, *args, **kwargs): return [torch.ones(1)]
    def to(self, *args, **kwargs): return self
    def eval(self): return self
    def forward(self, queries, keys, mask=None): return keys, keys
""",
        hangs=True,
    ),
    module(
        "module-impostor",
        "A class that is called nn.Module and is none.",
        """
class AdditiveAttention:
    __class__ = nn.Module
    def __init__(self, *args): pass
    def named_parameters(self): return iter([("W_q.weight", "text"), (3, torch.ones(1)), (None, None)])
    def to(self, *args): return self
    def eval(self): return self
    def __call__(self, *args): return self
""",
    ),
    module(
        "module-backward",
        "A module whose backward pass leaves the program.",
        """
class Bad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x.clone()
    @staticmethod
    def backward(ctx, g):
        raise SystemExit(0)
"""
        + ADDITIVE_ATTENTION.replace(
            "return context_vector(weights, keys), weights",
            "return Bad.apply(context_vector(weights, keys)), weights",
        ),
        earned=4.5,
    ),
    raw(
        "both-answers-in-one-cell",
        "Puts a broken statement between two answers in one cell and leaves the other cell empty.",
        hand_in({"pad_mask": f"{PAD_MASK}\n{MASKED_MEAN}\nraise SystemExit(0)\n", "masked_mean": ""}),
        pad_mask=3,
        masked_mean=4,
    ),
]
