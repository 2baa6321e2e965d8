"""Every answer under torch.compile, in one graph, forward and backward."""

import shutil
import sysconfig
from itertools import chain
from pathlib import Path

import pytest
import torch

import seqattn_ref as ref

from .calls import Case, assert_close, move, outputs_and_gradients
from .cases import CASES
from .draw import DISTINCT, SMALL, Draw

FUNCTIONS = [name for name in CASES if hasattr(ref, name) and name[0].islower()]
MODULES = {
    "AdditiveAttention": lambda: ref.AdditiveAttention(DISTINCT.Dq, DISTINCT.Dk, DISTINCT.A),
    "BilinearAttention": lambda: ref.BilinearAttention(DISTINCT.Dq, DISTINCT.Dk),
}
_, _, _, _, Dk, A, _, E, H, X, V, _, _ = SMALL  # a loop over steps is unrolled, so few steps compile faster
OVER_STEPS = {
    "Seq2Seq": lambda: ref.Seq2Seq(X, V, E, H),
    "Encoder": lambda: ref.Encoder(X, E, H),
    "Encoder, both ways": lambda: ref.Encoder(X, E, H, bidirectional=True),
    "AttentionDecoder, mask (B, S)": lambda: ref.AttentionDecoder(V, E, H, Dk, A),
    "AttentionSeq2Seq": lambda: ref.AttentionSeq2Seq(X, V, E, H, A),
}


@pytest.fixture(autouse=True)
def fresh_compiler():
    """Let no test find what another one compiled."""
    yield
    torch._dynamo.reset()


def assert_agree(
    compiled: Case, eager: Case, inputs: tuple, parameters: tuple = (), tolerance: float = 1e-12
):
    ours = outputs_and_gradients(compiled, inputs, parameters)
    theirs = outputs_and_gradients(eager, inputs, parameters)
    for actual, wanted in zip(chain(*ours), chain(*theirs), strict=True):
        assert actual.dtype == wanted.dtype
        assert_close(actual, wanted, tolerance)


def compiled_pair(name: str, dtype: torch.dtype = torch.float64, **options) -> tuple[Case, Case, tuple]:
    """A module compiled, the same module eager, and its parameters."""
    torch.manual_seed(0)
    module = MODULES[name]().to(dtype)
    eager = CASES[f"{name}, mask (B, S)"]._replace(answer=module)
    compiled = eager._replace(answer=torch.compile(module, fullgraph=True, **options))
    return compiled, eager, tuple(module.parameters())


@pytest.fixture
def dynamo_reads_more():
    """Let it read the recurrent layers of torch.nn and calls of autograd, as it does only when asked to."""
    options = ("allow_rnn", "trace_autograd_ops")
    with torch._dynamo.config.patch({name: True for name in options if hasattr(torch._dynamo.config, name)}):
        yield


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_compile_into_one_graph(name, dynamo_reads_more):
    if name == "gradient_by_distance" and not hasattr(torch._dynamo.config, "trace_autograd_ops"):
        pytest.skip("this PyTorch compiles no call of torch.autograd.grad")
    eager = CASES[name]
    compiled = eager._replace(answer=torch.compile(eager.answer, backend="aot_eager", fullgraph=True))
    assert_agree(compiled, eager, eager.inputs(Draw()))


def test_pad_mask_compiles_into_one_graph():
    compiled = torch.compile(ref.pad_mask, backend="aot_eager", fullgraph=True)
    for lengths, max_len in (([3, 0, 5], 5), ([2, 1], 2)):
        lengths = torch.tensor(lengths)
        assert torch.equal(compiled(lengths, max_len), ref.pad_mask(lengths, max_len))


@pytest.mark.parametrize("name", MODULES)
def test_modules_compile_into_one_graph_for_all_lengths(name):
    """What is compiled for one batch serves batches of other sizes. Compiling anew would raise here."""
    compiled, eager, parameters = compiled_pair(name, backend="aot_eager", dynamic=True)

    def check(sizes):
        queries, keys, mask, *_ = eager.inputs(Draw(sizes))
        assert_agree(compiled, eager, (queries, keys, mask), parameters)

    check(DISTINCT)
    with torch._dynamo.config.patch(error_on_recompile=True):
        check(DISTINCT._replace(B=2, T=6, S=9))
        check(DISTINCT._replace(T=7))


@pytest.mark.parametrize(
    "name",
    [
        "Seq2Seq",
        "AttentionSeq2Seq",
        # What these do, the models above do too.
        pytest.param("Encoder", marks=pytest.mark.slow),
        pytest.param("Encoder, both ways", marks=pytest.mark.slow),
        pytest.param("AttentionDecoder, mask (B, S)", marks=pytest.mark.slow),
    ],
)
def test_encoders_and_decoders_compile_into_one_graph(name, dynamo_reads_more):
    torch.manual_seed(0)
    module = OVER_STEPS[name]().double()
    parameters = tuple(module.parameters())
    eager = CASES[name]._replace(answer=module)
    compiled = eager._replace(answer=torch.compile(module, backend="aot_eager", fullgraph=True))
    assert_agree(compiled, eager, eager.inputs(Draw(SMALL))[: -len(parameters)], parameters)


def test_the_repaired_class_compiles_into_one_graph():
    case = CASES["Attention"]
    y, h, W = case.inputs(Draw())
    module = ref.Attention(*W.shape).double()
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    assert_agree(case._replace(answer=compiled), case._replace(answer=module), (y, h), (module.W,))


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("c++") or shutil.which("g++") or shutil.which("clang++"))
    or not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="torch.compile makes C++ here, and there is no C++ compiler or no Python.h",
)
@pytest.mark.skipif(
    " " in torch.__file__, reason="torch.compile cannot link where torch's path holds a space"
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 6e-2)], ids=str)
@pytest.mark.parametrize("name", MODULES)
def test_modules_compile_with_inductor(name, dtype, tolerance, device):
    compiled, eager, parameters = compiled_pair(name, dtype)
    eager.answer.to(device)
    queries, keys, mask, *_ = move(eager.inputs(Draw()), dtype, device)
    assert_agree(compiled, eager, (queries, keys, mask), parameters, tolerance)
    context, weights = compiled.answer(queries, keys, mask)
    assert (context[-1] == 0).all()
    assert (weights[-1] == 0).all()
