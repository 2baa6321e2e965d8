"""Reading submissions: which cells an exercise gets, and one sentence for all that cannot be read."""

import json
import os
import random
import sys

import pytest

from autograder.notebook_file import CELL_LIMIT, CODE_LIMIT, FILE_LIMIT, read_bytes
from autograder.submission import NoAnswer, SubmissionError, notebook_submission, read_submission


def notebook(*sources, **more):
    cells = [{"cell_type": "code", "source": s, "metadata": {}, "outputs": []} for s in sources]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells, **more}


def needed(entry, *sources):
    """The numbers of the cells that `entry` needs, counted from 1."""
    cells = notebook_submission(notebook(*sources), "a.ipynb").cells_for(entry)
    return [int(name.removeprefix("Code cell ")) for name, _ in cells]


def plain(source):
    """The one cell of a notebook as Python."""
    return notebook_submission(notebook(source), "a.ipynb").cells[0].source


# ---- files


def test_a_python_file_is_one_cell_under_its_own_name(tmp_path):
    path = tmp_path / "answer.py"
    path.write_text("x = 1\ndef f():\n    return x\n", encoding="utf-8")
    assert read_submission(path).cells_for("f") == [("answer.py", "x = 1\ndef f():\n    return x\n")]


@pytest.mark.parametrize(
    "data",
    [
        "\ufeffé = 1\n".encode(),
        "# -*- coding: latin-1 -*-\né = 1\n".encode("latin-1"),
        "é = 1\r\n".encode(),
    ],
    ids=["byte order mark", "declared encoding", "Windows line ends"],
)
def test_encodings_of_a_python_file(tmp_path, data):
    (tmp_path / "a.py").write_bytes(data)
    ((_, source),) = read_submission(tmp_path / "a.py").cells_for("é")
    assert source.endswith("é = 1\n")


def test_a_notebook_from_disk(tmp_path):
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook(["def f():\n", "    return 1"])), encoding="utf-8")
    submission = read_submission(tmp_path / "a.ipynb")
    assert submission.notebook
    assert submission.cells_for("f") == [("Code cell 1", "def f():\n    return 1")]


def _deep(path):
    path.write_text("[" * 100_000, encoding="utf-8")


UNREADABLE = {
    "missing.py": (lambda path: None, "There is no file"),
    "folder.py": (lambda path: path.mkdir(), "is a folder"),
    "pipe.py": (os.mkfifo, "not a regular file"),
    "large.py": (lambda path: path.write_bytes(b"#" * (FILE_LIMIT + 1)), "larger than 10 MB"),
    "long.py": (lambda path: path.write_bytes(b"#" * (CODE_LIMIT + 1)), "1,000,000 characters"),
    "latin.py": (lambda path: path.write_bytes(b"x = '\xe9'"), "not UTF-8"),
    "cookie.py": (lambda path: path.write_bytes(b"# coding: klingon\nx = 1"), "not UTF-8"),
    "rot13.py": (lambda path: path.write_bytes(b"# coding: rot13\nx = 1"), "not UTF-8"),
    "answer.txt": (lambda path: path.write_text("x = 1"), "neither a .py file nor a notebook"),
    "bytes.ipynb": (lambda path: path.write_bytes(b"\xff\xfe\x01"), "not valid JSON"),
    "cut.ipynb": (lambda path: path.write_text('{"cells": ['), "not valid JSON.* seems cut off"),
    "empty.ipynb": (lambda path: path.write_text(" \n"), "empty file: save the notebook"),
    "digits.ipynb": (lambda path: path.write_text("1" * 10_000), "not valid JSON"),
    "deep.ipynb": (_deep, "nested too deeply"),
    "list.ipynb": (lambda path: path.write_text("[1]"), "not a notebook"),
    "plain.ipynb": (lambda path: path.write_text('{"a": 1}'), "not a notebook"),
    "true.ipynb": (lambda path: path.write_text('{"nbformat": true}'), "not a notebook"),
    "none.ipynb": (lambda path: path.write_text('{"nbformat": 4, "cells": []}'), "holds no cells"),
    "merge.ipynb": (lambda path: path.write_text('{\n<<<<<<< HEAD\n"cells": []}'), "git merge"),
    "python.ipynb": (lambda path: path.write_text("x = 1"), "as Jupyter saves it"),
    "many.ipynb": (
        lambda path: path.write_text(json.dumps({"nbformat": 4, "cells": [{}] * (CELL_LIMIT + 1)})),
        "more than 2,000 cells",
    ),
    "code.ipynb": (
        lambda path: path.write_text(json.dumps(notebook("#" * CODE_LIMIT, "#"))),
        "1,000,000 characters",
    ),
    "nocells.ipynb": (lambda path: path.write_text('{"nbformat": 4}'), "no list of cells"),
    "cell.ipynb": (lambda path: path.write_text('{"nbformat": 4, "cells": [3]}'), "no cell that can be read"),
    "source.ipynb": (
        lambda path: path.write_text('{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}'),
        "no cell that can be read",
    ),
    "future.ipynb": (lambda path: path.write_text('{"nbformat": 5, "cells": []}'), "nbformat 5"),
    "old.ipynb": (lambda path: path.write_text('{"nbformat": 3, "worksheets": 5}'), "cannot be converted"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_files_are_refused_with_one_sentence(tmp_path, name):
    make, expected = UNREADABLE[name]
    make(tmp_path / name)
    with pytest.raises(SubmissionError, match=expected) as raised:
        read_submission(tmp_path / name)
    message = str(raised.value)
    assert name in message
    assert "\n" not in message
    assert message.endswith(".")


def test_what_can_be_read_of_a_notebook_is_read(tmp_path):
    cells = [
        3,
        {"cell_type": "code"},
        {"cell_type": "code", "source": {"a": 1}},
        {"cell_type": "code", "source": "def f():\n    return 1", "metadata": 3, "outputs": "none", "id": 5},
        {"source": "x = 1", "execution_count": 2},
        {"cell_type": "heading", "source": "A title"},
    ]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    submission = read_submission(tmp_path / "a.ipynb")
    assert [cell.source for cell in submission.cells] == ["def f():\n    return 1", "x = 1"]
    assert submission.notes == (
        "The file does not say which nbformat it has; it was read as nbformat 4.",
        "Cells 1, 2 and 3 of the file could not be read and were left out.",
    )
    # Cells 2 and 3 were code cells too: the numbers are those that the learner sees.
    assert submission.cells_for("f") == [("Code cell 3", "def f():\n    return 1")]


@pytest.mark.parametrize(
    ("encode", "note"),
    [
        (lambda text: text.encode(), None),
        (lambda text: text.encode("utf-8-sig"), None),
        (lambda text: text.encode("utf-16"), "UTF-16"),
        (lambda text: text.encode("utf-16-be"), "UTF-16-BE"),
        (lambda text: text.replace("α", "a").encode("cp1252"), "read as cp1252"),
        (lambda text: text.replace("α", "a").encode("latin-1").replace(b"!", b"\x81"), "read as latin-1"),
        (lambda text: text.encode().replace(b"!", b"\xff"), "1 bytes of the file are not UTF-8"),
    ],
    ids=["plain", "byte order mark", "utf-16", "big-endian", "Windows", "Latin-1", "one bad byte"],
)
def test_encodings_of_a_notebook(tmp_path, encode, note):
    made = notebook("α = 'é!'", "def f():\n    return 'é'")
    (tmp_path / "a.ipynb").write_bytes(encode(json.dumps(made, ensure_ascii=False)))
    submission = read_submission(tmp_path / "a.ipynb")
    assert submission.cells_for("f") == [("Code cell 2", "def f():\n    return 'é'")]
    assert len(submission.notes) == (note is not None)
    assert not note or note in submission.notes[0]


def test_a_null_byte_in_the_name():
    with pytest.raises(SubmissionError, match="cannot be opened"):
        read_submission("a\0.py")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs /dev/zero")
def test_a_device_is_not_read(tmp_path):
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    with pytest.raises(SubmissionError, match="not a regular file"):
        read_submission(tmp_path / "zero.py")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "a.py").chmod(0)
    with pytest.raises(SubmissionError, match=r"cannot be opened: Permission denied"):
        read_submission(tmp_path / "a.py")


def test_links_are_followed_only_when_wanted(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "b.py").symlink_to("a.py")
    assert read_bytes(tmp_path / "b.py") == b"x = 1"
    assert read_bytes(tmp_path / "a.py", follow_links=False) == b"x = 1"
    with pytest.raises(SubmissionError, match="is a link to another file"):
        read_bytes(tmp_path / "b.py", follow_links=False)


def test_nbformat_3_is_converted(tmp_path, capfd):
    cells = [
        {"cell_type": "code", "input": ["def f():\n", "    return 1"], "language": "python", "outputs": []}
    ]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}
    (tmp_path / "a.ipynb").write_text(json.dumps(old))
    assert read_submission(tmp_path / "a.ipynb").cells_for("f") == [("Code cell 1", "def f():\n    return 1")]
    assert capfd.readouterr() == ("", "")


# ---- which cells are needed


def test_only_cells_that_the_answer_needs():
    assert needed(
        "f",
        "import torch",  # 1: used
        "import time",
        "def helper(x):\n    return scale * x",  # 3: used
        "scale = 2",  # 4: used by 3
        "def f(q):\n    return helper(torch.relu(q))",  # 5: the answer
        "check(f)",
        "while True:\n    pass",
        "model = Model()\nfor step in range(10**9):\n    model.step()",
    ) == [1, 3, 4, 5]


def test_local_names_and_arguments_need_nothing():
    assert needed(
        "f", "q = slow()", "y = slow()", "def f(q):\n    y = q\n    return [z for z in y]", "z = slow()"
    ) == [3]


def test_all_definitions_are_kept_in_order():
    assert needed("f", "def f():\n    return 1", "x = 1", "def f():\n    return 2") == [1, 3]


def test_a_helper_defined_after_the_answer_is_kept():
    assert needed("f", "def f():\n    return g()", "def g():\n    return 1", "print(f())") == [1, 2]


@pytest.mark.parametrize(
    "source",
    [
        "Answer.forward = patched",
        "Answer.table['x'] = 1",
        "if True:\n    Answer.size += 1",
        "del Answer.junk",
        "setattr(Answer, 'forward', patched)",
        "@add_to(Answer)\ndef forward(self):\n    pass",
        "Answer.sizes.append(3)",
        "def change():\n    global Answer\n    Answer = 2\nchange()",
        "with open('x') as Answer:\n    pass",
        "for Answer in [1]:\n    pass",
        "(Answer := 3)",
        "Answer, other = 1, 2",
        "try:\n    pass\nexcept ValueError as Answer:\n    pass",
    ],
)
def test_ways_to_change_a_needed_name(source):
    assert needed("Answer", "class Answer:\n    pass", source) == [1, 2]


@pytest.mark.parametrize(
    "source",
    [
        "Answer.forward",
        "Answer.train()",
        "print(Answer)",
        "def other():\n    Answer = 1",
        "other[Answer] = 1",
        "Answer",
    ],
)
def test_looking_at_a_needed_name_needs_nothing(source):
    assert needed("Answer", "class Answer:\n    pass", source) == [1]


# ---- which definition is the answer


FULL, STUB = (
    "def f():\n    return 1",
    "def f():\n    # Write your answer here.\n    raise NotImplementedError()",
)


def test_an_import_of_the_name_is_not_taken_for_the_answer():
    assert needed("f", FULL, "from course import f") == [1]


@pytest.mark.parametrize(
    "stub",
    [
        STUB,
        "def f():\n    x = 1\n    raise NotImplementedError",
        "class f:\n    def g(self):\n        raise NotImplementedError('later')",
    ],
)
def test_an_answer_goes_before_a_stub_that_follows_it(stub):
    assert needed("f", FULL, stub) == [1]
    assert needed("f", FULL, stub, "check(f)") == [1]


@pytest.mark.parametrize(
    "second",
    [
        "def f(x):\n    if x is None:\n        raise NotImplementedError\n    return x",
        "class Base:\n    def g(self):\n        raise NotImplementedError\nclass f(Base):\n    pass",
    ],
)
def test_an_answer_that_knows_its_limits_is_no_stub(second):
    assert needed("f", FULL, second) == [1, 2]


def test_cells_after_the_check_that_use_the_name_for_something_else_are_left_out():
    assert needed("f", FULL, "check(f)", "f = 3", "for f in range(3):\n    pass", "f.x = 1") == [1]
    assert needed("f", FULL, "f.x = 1", "check(f)") == [1, 2]


def test_a_name_has_the_value_that_it_had_at_the_check():
    helper = "def helper():\n    return 1"
    answer = "def f():\n    return helper()"
    assert needed("f", helper, answer, "check(f)", helper, "helper.x = 2") == [1, 2]
    assert needed("f", answer, "check(f)", helper, "helper = 2") == [1, 3, 4]


def test_an_answer_after_its_check_counts_when_there_is_none_before():
    assert needed("f", STUB, "check(f)", "scale = 2", "def f():\n    return scale", "scale = 3") == [1, 3, 4]


def test_check_cells_mark_a_place_and_never_run():
    graded = {"nbgrader": {"grade": True, "solution": False, "grade_id": "check_f", "points": 3}}
    made = notebook(FULL, "f = None\ncheck(f)", "f = 4", "check(f)")
    made["cells"][1]["metadata"] = graded
    submission = notebook_submission(made, "a.ipynb")
    assert submission.cells_for("f") == [("Code cell 1", FULL)]
    made["cells"][1]["source"] = "def f():\n    return 2\ncheck(f)"
    assert notebook_submission(made, "a.ipynb").cells_for("f") == [("Code cell 1", FULL)]
    made["cells"][0]["source"] = STUB  # the answer and the check were merged into one cell
    submission = notebook_submission({**made, "cells": made["cells"][:2]}, "a.ipynb")
    assert [name for name, _ in submission.cells_for("f")] == ["Code cell 1", "Code cell 2"]


def test_a_name_from_a_cell_that_does_not_parse_is_said():
    message = r"^`f` needs `helper` from Code cell 1: Line 1 is not valid Python: .*\.$"
    with pytest.raises(NoAnswer, match=message):
        needed("f", "def helper(:", "def f():\n    return other()", "def other():\n    return helper()")
    assert needed("f", "def helper(:", "def f():\n    return helper()", "helper = 3") == [2, 3]
    assert needed("f", "def sum(:", "def f():\n    return sum([])") == [2]
    assert needed("f", "def g(:", "def f():\n    return 1") == [2]


def test_the_name_of_another_exercise_is_not_taken_for_a_misspelt_one():
    with pytest.raises(NoAnswer, match=r"^a.ipynb defines no `scores`\.$"):
        needed("scores", "def score():\n    pass", "check(score)", "check(scores)")


def test_star_imports_are_kept():
    assert needed("f", "from torch import *", "def f(x):\n    return relu(x)", "import os") == [1, 2]


def test_a_broken_cell_that_is_not_needed_costs_nothing():
    assert needed("f", "def g(:", "def f():\n    return 1", "'unfinished", "x = \0") == [2]


def test_a_broken_last_definition_is_the_answers_failure():
    with pytest.raises(NoAnswer, match=r"^Code cell 2: Line 3 is not valid Python: .*was never closed\.$"):
        needed("f", "def f():\n    return 1", "# again\ndef f(x):\n    return (x")


def test_a_broken_earlier_definition_does_not_matter():
    assert needed("f", "def f(x:\n    return", "def f(x):\n    return x") == [2]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(x):\n    return (x", r"^Line 2 is not valid Python: .*never closed\.$"),
        ("def f(x):\nreturn x", r"^Line 2 is not valid Python: expected an indented block"),
        ("def f(x):\n    return x\n\0", "cannot read|null bytes"),
        ("f = " + "(" * 10_000, r"not valid Python: too many nested|nested too deeply"),
        ("f = " + "-" * 50_000 + "1", r"nested too deeply|not valid Python"),
        ("f = 1" + "+1" * 40_000, r"nested too deeply"),
        ("f = " + "9" * 10_000, r"^Line 1 is not valid Python: Exceeds the limit"),
    ],
    ids=["open bracket", "indentation", "null byte", "brackets", "minus signs", "long sum", "digits"],
)
def test_a_python_file_that_is_not_python(tmp_path, source, expected):
    (tmp_path / "a.py").write_text(source)
    with pytest.raises(NoAnswer, match=expected) as raised:
        read_submission(tmp_path / "a.py").cells_for("f")
    assert "\n" not in str(raised.value)


def test_half_a_surrogate_pair_becomes_a_placeholder():
    submission = notebook_submission(notebook("def f():\n    return '\ud800'"), "a.ipynb")
    assert submission.cells_for("f") == [("Code cell 1", "def f():\n    return '\ufffd'")]


def test_reading_gives_no_warnings(tmp_path, recwarn):
    (tmp_path / "a.py").write_text("def f(x):\n    return '\\d' is 1\n")
    read_submission(tmp_path / "a.py").cells_for("f")
    assert not recwarn.list


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "def additive_score():\n    pass",
            r"^a.ipynb defines no `additive_scores`: it defines `additive_score`; rename it\.$",
        ),
        ("def Additive_Scores():\n    pass", "it defines `Additive_Scores`; rename it"),
        ("def addtive_scores():\n    pass", "it defines `addtive_scores`; rename it"),
        ("def softmax():\n    pass", r"^a.ipynb defines no `additive_scores`\.$"),
        ("import additive_score", r"^a.ipynb defines no `additive_scores`\.$"),
        ("", r"^a.ipynb defines no `additive_scores`\.$"),
    ],
)
def test_a_missing_definition_names_a_near_one(source, expected):
    with pytest.raises(NoAnswer, match=expected):
        needed("additive_scores", source)


def test_names_that_reading_cannot_find_are_left_to_running():
    assert needed("f", "globals()['f'] = print", "x = 1", "def g(:") == [1, 2]


def test_an_import_is_no_definition_of_an_exercise():
    submission = notebook_submission(notebook("from course import pad_mask", "def f():\n    pass"), "a.ipynb")
    assert not submission.defines("pad_mask")
    assert submission.defines("f")
    assert submission.cells_for("pad_mask") == [("Code cell 1", "from course import pad_mask")]


def test_a_broken_cell_still_shows_what_it_meant_to_define():
    submission = notebook_submission(notebook("def pad_mask(lengths:", "dot_scores == 1)"), "a.ipynb")
    assert submission.defines("pad_mask")
    assert not submission.defines("dot_scores")


# ---- IPython syntax


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("%%time\nx = 1", "#%%time\nx = 1"),
        ("\n%%capture out\nx = 1", "\n#%%capture out\nx = 1"),
        ("%%time\n%%prun\nx = 1", "#%%time\n#%%prun\nx = 1"),
        ("%%bash\nrm -rf /", ""),
        ("%%writefile a.py\nx = 1", ""),
        ("x = 1\n# %%time", "x = 1\n# %%time"),
    ],
)
def test_cell_magics(source, expected):
    assert plain(source) == expected


@pytest.mark.parametrize(
    "magic",
    ["%matplotlib inline", "!ls", "torch.softmax?", "?f", "files = !ls", "t = %timeit -o f()", "%time -q"],
)
def test_line_magics_become_python_on_the_same_lines(magic):
    source = plain(f"\n\ndef f():\n    return 1\n\n{magic}\nx = 2")
    compile(source, "cell", "exec")
    lines = source.split("\n")
    assert lines[2] == "def f():"
    assert "get_ipython()" in lines[5]
    assert lines[6] == "x = 2"


def test_a_statement_that_is_timed_stays_a_statement():
    assert plain("if True:\n    %time x = f()\n%prun y = 2") == "if True:\n    x = f()\ny = 2\n"
    assert needed("f", "%time scale = 2", "def f():\n    return scale") == [1, 2]


def test_a_percent_sign_in_plain_python_is_left_alone():
    source = "x = (7\n     % 4)\ntext = '''\n%time\n!ls\n'''"
    assert plain(source) == source


@pytest.mark.parametrize("long", ["!ls\n" * 20_000, "!ls\n" + "x = 1\n" * 100_000])
def test_cells_whose_magics_take_long_to_translate_are_left_alone(long):
    submission = notebook_submission(notebook(long, "def f():\n    return 1", "%time x = 1"), "a.ipynb")
    assert submission.cells[0].source == long
    assert submission.cells[2].source == "x = 1\n"
    assert submission.cells_for("f") == [("Code cell 2", "def f():\n    return 1")]


def test_whatever_stands_in_a_cell_is_read_without_an_error():
    pieces = [
        "%",
        "!",
        "?",
        "%%",
        "(",
        ")",
        "'",
        '"""',
        "\\",
        "\n",
        "    ",
        "\t",
        "def f():",
        "\0",
        "x",
        "=",
        "é",
        ";",
        "\ud800",
    ]
    draw = random.Random(5)
    for _ in range(300):
        source = "".join(draw.choice(pieces) for _ in range(draw.randint(1, 12)))
        submission = notebook_submission(notebook(source, "def f():\n    return 1"), "a.ipynb")
        assert ("Code cell 2", "def f():\n    return 1") in submission.cells_for("f")


# ---- nothing is run


def test_reading_runs_and_imports_nothing(tmp_path):
    (tmp_path / "poison.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef f():\n    pass\n")
    read_submission(tmp_path / "poison.py").cells_for("f")
    assert not (tmp_path / "ran").exists()
    assert "poison" not in sys.modules


def test_a_decorator_of_ones_own_may_do_anything_with_what_it_stands_above():
    cells = (
        "registry = {}",
        "def register(f):\n    registry[f.__name__] = f\n    return f",
        "@register\ndef column(x):\n    return x[:, None]",
        "@torch.no_grad()\ndef unrelated(x):\n    return x",
        "def pad_mask(lengths, max_len):\n    return registry['column'](lengths)",
    )
    assert needed("pad_mask", *cells) == [1, 2, 3, 5]


def test_a_cell_too_long_to_be_read_costs_only_what_needs_it():
    long = "\n".join(f"class A{i}: pass" for i in range(20_000))
    assert needed("f", long, "def f(x):\n    return x") == [2]
    with pytest.raises(NoAnswer, match="longer than 100,000 characters"):
        needed("f", long + "\ndef f(x):\n    return x")
