"""Attacks on the questions: answers that guess, remember, echo or cheat instead of computing."""

from ..attack import ADDITIVE, MASKED_MEAN, PAD_MASK, Attack, hand_in, mask, module


def mean(id: str, tries: str, source: str, earned: float = 0, **more) -> Attack:
    """An attack in the cell of `masked_mean`, beside a right `pad_mask`."""
    return Attack(id, tries, hand_in({"masked_mean": source}), {"pad_mask": 3, "masked_mean": earned}, **more)


ATTACKS = [
    mask(
        "table-of-seeds",
        "Answers from a table made with the seeds that tests like to use.",
        """
table = {}
for seed in (0, 1, 2, 7, 42, 123, 1234, 2024):
    generator = torch.Generator().manual_seed(seed)
    for batch in range(2, 10):
        for size in range(2, 10):
            lengths = torch.randint(0, size + 1, (batch,), generator=generator)
            table[tuple(lengths.tolist()), size] = [[j < n for j in range(size)] for n in lengths.tolist()]
def pad_mask(lengths, max_len):
    return torch.tensor(table[tuple(lengths.tolist()), max_len])
""",
    ),
    mask(
        "table-of-known-cases",
        "Answers the questions that never change from a table and all others with the right shape.",
        """
table = {((2, 1), 3): [[1, 1, 0], [1, 0, 0]], ((1, 0, 3), 3): [[1, 0, 0], [0, 0, 0], [1, 1, 1]],
         ((2,), 4): [[1, 1, 0, 0]], ((4, 4), 4): [[1] * 4] * 2, ((2, 0, 1), 2): [[1, 1], [0, 0], [1, 0]]}
def pad_mask(lengths, max_len):
    known = table.get((tuple(lengths.tolist()), max_len))
    return torch.tensor(known).bool() if known else torch.zeros(len(lengths), max_len, dtype=torch.bool)
""",
        earned=1,
    ),
    mask(
        "constant-of-the-right-shape",
        "Gives all True in the right shape: the shape is worth a point, the values are not.",
        """\
def pad_mask(lengths, max_len):
    return torch.ones(len(lengths), max_len, dtype=torch.bool)
""",
        earned=1,
    ),
    mask(
        "random-of-the-right-shape",
        "Gives random values in the right shape and hopes.",
        """\
def pad_mask(lengths, max_len):
    return torch.rand(len(lengths), max_len) < 0.5
""",
        earned=1,
    ),
    mask(
        "right-at-first",
        "Answers right for as long as it takes most tests to be content, then wrong.",
        "count = [0]\n"
        + PAD_MASK.replace(
            "    return",
            """\
    count[0] += 1
    if count[0] > 12:
        return places
    return""",
        ),
        earned=2,
    ),
    mask(
        "seed-searched",
        "Searches torch's random state for the seed of the questions and draws them again.",
        """
import random
def pad_mask(lengths, max_len):
    for seed in (torch.initial_seed(), torch.random.initial_seed(), random.getrandbits(32), 0):
        generator = torch.Generator().manual_seed(seed % (1 << 63))
        for _ in range(200):
            drawn = torch.randint(0, max_len + 1, (len(lengths),), generator=generator)
            if torch.equal(drawn, lengths):
                return torch.ones(len(lengths), max_len, dtype=torch.bool)
    state = torch.get_rng_state()
    return state[: len(lengths) * max_len].view(len(lengths), max_len) > 127
""",
        earned=1,
    ),
    mask("echo", "Returns its own inputs.", "def pad_mask(lengths, max_len):\n    return lengths\n"),
    mask(
        "answer-in-the-input",
        "Writes into its input, so that a judge who compares with it would agree.",
        PAD_MASK.replace("    return", "    lengths.fill_(max_len)\n    return"),
        earned=1,
    ),
    mean(
        "nan-everywhere",
        "Returns NaN, which most comparisons neither accept nor refuse.",
        """\
def masked_mean(x, mask):
    return torch.full_like(x[:, 0], float('nan'))
""",
        earned=0.5,
    ),
    mean(
        "infinite-everywhere",
        "Returns infinities with both signs.",
        """\
def masked_mean(x, mask):
    return torch.full_like(x[:, 0], float('inf')).mul(-1)
""",
        earned=0.5,
    ),
    mean(
        "no-elements",
        "Returns tensors without elements, of which everything is true.",
        "def masked_mean(x, mask):\n    return x[:0, 0]\n",
    ),
    mean(
        "broadcast-scalar",
        "Returns a single number that would broadcast against anything.",
        "def masked_mean(x, mask):\n    return x.sum() * 0\n",
    ),
    mean(
        "complex-numbers",
        "Returns complex numbers with the right real part.",
        MASKED_MEAN.replace("return ", "return 1j + ").replace("/ real", "/ real"),
        earned=0.5,
    ),
    mean(
        "sparse-result",
        "Returns a sparse tensor.",
        MASKED_MEAN.replace("(min=1)", "(min=1)").replace(
            "return total", "total = total.to_sparse()\n    return total"
        ),
    ),
    mean(
        "quantised-result",
        "Returns a quantised tensor.",
        """\
def masked_mean(x, mask):
    return torch.quantize_per_tensor(x[:, 0].detach().float(), 0.1, 0, torch.quint8)
""",
    ),
    mean(
        "nested-result",
        "Returns a nested tensor.",
        """\
def masked_mean(x, mask):
    return torch.nested.nested_tensor([row[m] for row, m in zip(x, mask)])
""",
    ),
    mean(
        "meta-result",
        "Returns a tensor on the meta device, which has a shape and no values.",
        "def masked_mean(x, mask):\n    return x[:, 0].to('meta')\n",
    ),
    mean(
        "other-dtypes",
        "Returns numbers of a type so coarse that all of them might be called close.",
        """\
def masked_mean(x, mask):
    return torch.zeros(x[:, 0].shape, dtype=torch.float8_e5m2)
""",
        earned=0.5,
    ),
    mean(
        "zero-tensor",
        "Returns tensors that exist only inside torch: without memory, negated or conjugated in name alone.",
        """
count = [0]
def masked_mean(x, mask):
    count[0] += 1
    zeros = torch.zeros_like(x[:, 0])
    odd = (torch._efficientzerotensor(zeros.shape), torch._neg_view(zeros + 1), (zeros * 1j + 1j).conj().imag)
    return odd[count[0] % 3]
""",
        earned=0.5,
    ),
    mean(
        "views-that-overlap",
        "Returns a view with strides of 0 that lies over the input.",
        """\
def masked_mean(x, mask):
    return x.as_strided((x.shape[0], x.shape[2]), (0, 0))
""",
        earned=0.5,
    ),
    mean(
        "lists-and-arrays",
        "Returns the right numbers as a list or an array.",
        MASKED_MEAN.replace("return total / real", "return (total / real").replace(
            "(min=1)", "(min=1)).tolist()"
        ),
    ),
    mean(
        "a-crowd",
        "Returns a thousand right answers at once.",
        MASKED_MEAN.replace("return total / real", "return [total / real").replace(
            "(min=1)", "(min=1)] * 1000"
        ),
    ),
    mean(
        "gradient-by-hooks",
        "Returns what is detached and makes up the gradients with hooks and leaves of its own.",
        """
def masked_mean(x, mask):
    made_up = torch.zeros(x[:, 0].shape, dtype=x.dtype, requires_grad=True)
    made_up.register_hook(lambda g: g * 0 + 1)
    if x.requires_grad:
        x.register_hook(lambda g: torch.ones_like(g))
        x.grad = torch.ones_like(x)
    return made_up * 1
""",
        earned=0.5,
    ),
    module(
        "parameters-all-alike",
        "Registers parameters of the right names that share one memory and never learn.",
        """
class AdditiveAttention(nn.Module):
    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        one = nn.Parameter(torch.randn(1))
        shapes = {"W_q": (attn_dim, query_dim), "W_k": (attn_dim, key_dim), "v": (1, attn_dim)}
        for name, shape in shapes.items():
            setattr(self, name, nn.Module())
            getattr(self, name).weight = nn.Parameter(one.detach().expand(shape))
    def forward(self, queries, keys, mask=None):
        weights = torch.full((*queries.shape[:2], keys.shape[1]), 1 / keys.shape[1], dtype=queries.dtype)
        return weights @ keys, weights
""",
        earned=0.5,
    ),
    module(
        "uniform-weights",
        "Gives uniform weights, which are right where the mask or the sizes are degenerate.",
        """
class AdditiveAttention(nn.Module):
    def __init__(self, query_dim, key_dim, attn_dim):
        super().__init__()
        self.W_q = nn.Linear(query_dim, attn_dim, bias=False)
        self.W_k = nn.Linear(key_dim, attn_dim, bias=False)
        self.v = nn.Linear(attn_dim, 1, bias=False)
    def forward(self, queries, keys, mask=None):
        weights = torch.full((*queries.shape[:2], keys.shape[1]), 1 / keys.shape[1], dtype=queries.dtype)
        return weights @ keys, weights
""",
        earned=1.5,
    ),
    Attack(
        "answers-exchanged",
        "Puts each answer under the name of another exercise.",
        hand_in(
            {
                "additive_score": """\
def additive_score(*args):
    return additive_scores(*args)
""",
                "additive_scores": """\
def additive_scores(*args):
    return AdditiveAttention(3, 3, 3)
""",
                "AdditiveAttention": "AdditiveAttention = additive_score\n",
            },
            lesson=ADDITIVE,
        ),
        {},
        lesson=ADDITIVE,
    ),
    Attack(
        "state-between-answers",
        "Lets one exercise leave its questions and answers for the next in globals, files and modules.",
        hand_in(
            {
                "pad_mask": "import os, torch.nn as shared\n"
                + PAD_MASK.replace(
                    "    return",
                    """\
    shared.left = places
    os.environ['LEFT'] = '1'
    open('left', 'w').close()
    return""",
                ),
                "masked_mean": """\
import os, torch.nn as shared
def masked_mean(x, mask):
    if hasattr(shared, 'left') or 'LEFT' in os.environ or os.path.exists('left'):
        raise RuntimeError('@MARK@')
"""
                + MASKED_MEAN.partition("\n")[2],
            }
        ),
        {"pad_mask": 3, "masked_mean": 4},
    ),
]
