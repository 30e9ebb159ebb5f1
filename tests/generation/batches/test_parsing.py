"""Batch files: any content is parsed into rows or reported with its line."""

import json
from hashlib import sha256

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.batches import parsing
from generation.batches.parsing import BatchFileError, digest, printable, read_rows


def rows_of(text: str | bytes, **options) -> list[tuple[int, int, dict]]:
    data = text if isinstance(text, bytes) else text.encode()
    rows = read_rows(data, **options)
    assert not any(row.problem for row in rows), rows
    return [(row.number, row.line, dict(row.values)) for row in rows]


def problems_of(text: str | bytes, **options) -> dict[int, str]:
    """Return the problems of single rows by line."""
    data = text if isinstance(text, bytes) else text.encode()
    return {row.line: row.problem for row in read_rows(data, **options) if row.problem}


def refusal_of(text: str | bytes, **options) -> str:
    with pytest.raises(BatchFileError) as refused:
        read_rows(text if isinstance(text, bytes) else text.encode(), **options)
    return str(refused.value)


# --- Text --------------------------------------------------------------------------------------------------------


def test_a_text_file_has_a_prompt_a_line_and_blank_lines_and_comments_do_not_count():
    text = "# hearts\n\na red heart\n   \n  a blue star  \n#a note\na # within\n"
    assert rows_of(text, format="text") == [
        (1, 3, {"prompt": "a red heart"}),
        (2, 5, {"prompt": "a blue star"}),
        (3, 7, {"prompt": "a # within"}),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_system_and_the_last_one_need_not(end):
    assert [row[:2] for row in rows_of(f"a{end}{end}b", format="text")] == [(1, 1), (2, 3)]


def test_a_separator_within_a_line_does_not_end_it():
    assert rows_of("a\u2028b\u0085c\x0cd\n", format="text")[0][2] == {"prompt": "a\u2028b\u0085c\x0cd"}


def test_a_byte_order_mark_is_not_part_of_the_first_prompt():
    assert rows_of(b"\xef\xbb\xbfa heart\n", format="text") == [(1, 1, {"prompt": "a heart"})]
    assert rows_of(b"\xef\xbb\xbfprompt\na heart\n", name="a.csv") == [(1, 2, {"prompt": "a heart"})]


# --- CSV ---------------------------------------------------------------------------------------------------------


def test_a_csv_file_names_its_columns_and_empty_cells_are_not_given():
    text = "prompt,fps,size\na red heart,8,256x256\na blue star,,\n"
    assert rows_of(text, format="csv") == [
        (1, 2, {"prompt": "a red heart", "fps": "8", "size": "256x256"}),
        (2, 3, {"prompt": "a blue star"}),
    ]


def test_every_field_of_a_request_can_be_a_column():
    header = ",".join(parsing.COLUMNS)
    row = rows_of(f"{header}\n{','.join('x' * len(parsing.COLUMNS))}\n", format="csv")[0][2]
    assert set(row) == set(parsing.COLUMNS) >= {"prompt", "size", "width", "motion_loras", "seed", "guidance"}


def test_quotes_hold_commas_quotes_and_line_ends_and_the_line_is_where_the_row_begins():
    text = 'prompt,fps\n"red, and ""big""\nheart", 8\n\nplain, "16"\n'
    assert rows_of(text, format="csv") == [
        (1, 2, {"prompt": 'red, and "big"\nheart', "fps": "8"}),
        (2, 5, {"prompt": "plain", "fps": "16"}),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_may_be_divided_as_spreadsheets_do_it(delimiter):
    text = delimiter.join(["Prompt", '"FPS"', " Size "]) + "\n" + delimiter.join(["a heart", "8", "256x256"])
    assert rows_of(text, format="csv") == [(1, 2, {"prompt": "a heart", "fps": "8", "size": "256x256"})]


def test_rows_of_nothing_but_delimiters_are_blank():
    assert rows_of("prompt,fps\n,\na heart,8\n , \n", format="csv") == [(1, 3, {"prompt": "a heart", "fps": "8"})]


def test_ragged_rows_are_reported_and_the_others_read():
    text = "prompt,fps\na heart\na star,8\na cross,8,9\n"
    assert problems_of(text, format="csv") == {4: "This row has 3 cells, but the header has 2."}
    assert len(read_rows(text.encode(), format="csv")) == 3


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("prompt,fps,prompt", "line 1: The column prompt appears twice."),
        ("prompt,Prompt", "line 1: The column prompt appears twice."),
        ("prompt,colour", "line 1: There is no column named colour."),
        ("prompt,,fps", "line 1: Column 2 has no name."),
        ("fps,size", "line 1: There must be a column named prompt."),
        ("prompt,\x1b[2Jfps", "line 1: There is no column named \\x1b[2jfps."),
    ],
)
def test_a_header_that_is_wrong_is_refused_as_a_whole(header, says):
    assert refusal_of(f"{header}\n1,2,3\n", format="csv").startswith(says)


def test_an_unknown_column_is_answered_with_the_known_ones():
    assert "motion_loras" in refusal_of("prompt,colour\na,b\n", format="csv")


@pytest.mark.parametrize("row", ['"a heart', '"a" heart', '"a heart""'])
def test_quotes_that_do_not_match_are_refused_where_the_row_begins(row):
    assert refusal_of(f"prompt\na star\n{row}\na cross\n", format="csv").startswith("line 3: The quotes in this row")


# --- JSON Lines --------------------------------------------------------------------------------------------------


def test_a_json_lines_file_has_an_object_a_line():
    text = '{"prompt": "a heart", "fps": 8}\n\n{"prompt": "a star", "motion_loras": [["zoom-in", 0.5]]}\n'
    assert rows_of(text, format="jsonl") == [
        (1, 1, {"prompt": "a heart", "fps": 8}),
        (2, 3, {"prompt": "a star", "motion_loras": [["zoom-in", 0.5]]}),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("a heart", "This is not JSON (Expecting value at character 1)."),
        ('{"prompt": "a heart"', "This is not JSON (Expecting ',' delimiter at character 21)."),
        ('{"prompt": "a"} {"prompt": "b"}', "This is not JSON (Extra data at character 17)."),
        ('{"prompt": "a\theart"}', "This is not JSON (Invalid control character at character 14)."),
        ('["a heart"]', "This must be a JSON object on one line"),
        ('"a heart"', "This must be a JSON object on one line"),
        ("null", "This must be a JSON object on one line"),
        ("5", "This must be a JSON object on one line"),
        ('{"prompt": "a", "guidance": NaN}', "NaN is not a number."),
        ('{"prompt": "a", "guidance": -Infinity}', "-Infinity is not a number."),
        ('{"prompt": "a", "seed": ' + "9" * 5000 + "}", "This line contains a number that is too long."),
        ('{"prompt": "a", "prompt": "b"}', "The field prompt appears twice."),
        ('{"prompt": {"a": 1, "a": 2}}', "The field a appears twice."),
        ("[" * 60_000, "This is too deeply nested."),
        ('{"prompt": [[[[[[]]]]]]}', "This is too deeply nested."),
        ("[" * 100_000, "This line is too long: at most 65536 characters."),
        ('{"prompt": ' * 5_000, "This is too deeply nested."),
        ("{" + ",".join(f'"k{n}": 1' for n in range(100)) + "}", "This row has too many fields: at most 64."),
        ("# a heart", "This is not JSON"),
    ],
    ids=lambda value: value[:25],
)
def test_a_line_that_is_no_json_object_is_reported_and_the_others_read(line, says):
    text = f'{{"prompt": "a star"}}\n{line}\n{{"prompt": "a cross"}}\n'
    problems = problems_of(text, format="jsonl")
    assert list(problems) == [2]
    assert problems[2].startswith(says)
    assert [row.number for row in read_rows(text.encode(), format="jsonl")] == [1, 2, 3]


# --- Every format ------------------------------------------------------------------------------------------------

ONE_ROW = {"text": b"a %s heart\n", "csv": b"prompt\na %s heart\n", "jsonl": b'{"prompt": "a %s heart"}\n'}


@pytest.mark.parametrize("format", ONE_ROW)
@pytest.mark.parametrize("byte", [b"\xe9", b"\xff", b"\xc3", b"\xed\xa0\x80"])
def test_a_line_that_is_not_utf_8_is_reported_with_its_byte(format, byte):
    data = ONE_ROW[format].replace(b"%s", "zażółć 赤".encode()) + ONE_ROW[format].split(b"\n")[-2].replace(b"%s", byte)
    problems = problems_of(data, format=format)
    assert len(problems) == 1
    assert f"This is not UTF-8 text (byte 0x{byte[0]:02X})" in next(iter(problems.values()))
    assert len(read_rows(data, format=format)) == 2


@pytest.mark.parametrize("format", ONE_ROW)
def test_a_nul_byte_is_reported(format):
    assert "NUL byte" in next(iter(problems_of(ONE_ROW[format].replace(b"%s", b"\0"), format=format).values()))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_recognised_by_its_mark(encoding):
    mark = b"" if encoding == "utf-16" else "\ufeff".encode(encoding)
    assert rows_of(mark + "prompt\nżółte serce".encode(encoding)) == [(1, 2, {"prompt": "żółte serce"})]
    assert refusal_of(mark + "prompt\na heart".encode(encoding) + b"x") == (
        "This is UTF-16 text with an error in it. Save it as UTF-8."
    )


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("cp1250", "żółte serce"), ("cp1250", "mała łódź"), ("cp1252", "un cœur à la fenêtre"), ("cp1252", "die Straße")],
)
def test_what_excel_saves_in_the_code_page_of_windows_is_read(encoding, text):
    assert rows_of(f"prompt;seed\n{text};1".encode(encoding))[0][2] == {"prompt": text, "seed": "1"}


def test_a_code_page_that_cannot_be_told_is_the_one_of_the_language():
    with translation.override("pl"):
        assert rows_of("zając śpi".encode("cp1250"))[0][2] == {"prompt": "zając śpi"}


# --- As spreadsheets save it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nprompt;guidance\na heart, rising;7,5\n",
        '"sep=;"\r\nprompt;guidance;;\r\na heart, rising;7,5;;\r\n;;;\r\n',
        "prompt;guidance;seed\na heart, rising;7,5\n",
    ],
)
def test_a_spreadsheets_delimiters_are_understood(text):
    assert [row[2] for row in rows_of(text)] == [{"prompt": "a heart, rising", "guidance": "7,5"}]
    assert [row[2] for row in rows_of(text, name="a.csv")] == [{"prompt": "a heart, rising", "guidance": "7,5"}]


def test_lines_are_counted_from_the_line_that_names_the_delimiter():
    assert rows_of("sep=;\nprompt;fps\na;8\n") == [(1, 3, {"prompt": "a", "fps": "8"})]


def test_commas_in_a_single_column_are_part_of_the_prompt():
    text = 'prompt\na red heart, rising, over the sea\n"quoted, as well"\n'
    assert [row[2]["prompt"] for row in rows_of(text)] == ["a red heart, rising, over the sea", "quoted, as well"]


# --- JSON that is no JSON Lines --------------------------------------------------------------------------------------

ARRAY = """[
  {"prompt": "a heart", "motion_loras": [["zoom-in", 0.5]]},
  {
    "prompt": "a star"
  }
]
"""


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", ""])
def test_an_array_is_read_value_by_value(name):
    assert rows_of(ARRAY, name=name) == [
        (1, 2, {"prompt": "a heart", "motion_loras": [["zoom-in", 0.5]]}),
        (2, 3, {"prompt": "a star"}),
    ]
    assert rows_of(json.dumps(json.loads(ARRAY)), name=name)[1][1:] == (1, {"prompt": "a star"})


def test_objects_may_span_lines_without_an_array():
    assert rows_of('{\n"prompt": "a"\n}\n{\n"prompt": "b"\n}', name="a.json") == [
        (1, 1, {"prompt": "a"}),
        (2, 4, {"prompt": "b"}),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"prompt": "a"}\n{"prompt": "b"}]', "line 2: There must be a comma or the end of the list here."),
        ('[{"prompt": "a"},\n]\nmore', "line 3: There is more after the end of the list."),
        ('[{"prompt": "a"},\n', "line 2: This is not JSON (Expecting value at character 1)."),
        ('[\n{"prompt": "' + "a" * 70_000 + '"}]', "line 2: This row is too long: at most 65536 characters."),
        ('[\n{"a": ' + "9" * 5000 + "}]", "line 2: This line contains a number that is too long."),
        ("[" + '{"prompt": "a"},' * 10_001, "line 1: A file may have at most 10000 rows."),
    ],
    ids=lambda value: value[:25],
)
def test_an_array_that_is_none_is_refused_with_its_line(text, says):
    assert refusal_of(text, name="a.json").startswith(says)


def test_a_prompt_may_begin_with_a_bracket():
    assert rows_of("[masterpiece] a heart\n")[0][2] == {"prompt": "[masterpiece] a heart"}


@pytest.mark.parametrize("format", ["text", "csv", "jsonl"])
@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b"   \r\n\t"])
def test_a_file_without_rows_is_refused(format, data):
    assert refusal_of(data, format=format) == "This file has no rows."


def test_a_header_alone_is_no_row_and_neither_are_comments():
    assert refusal_of("prompt,fps\n", format="csv") == "This file has no rows."
    assert refusal_of("# nothing\n", format="text") == "This file has no rows."


def test_a_file_has_ten_thousand_rows_at_most():
    assert len(read_rows(b"a\n" * 10_000, format="text")) == 10_000
    assert refusal_of(b"a\n" * 10_001, format="text").startswith("line 10001: A file may have at most 10000 rows.")


def test_a_file_has_ten_mebibytes_at_most():
    assert refusal_of(b"x" * (parsing.MAX_BYTES + 1)).startswith("A file may be at most 10 MiB.")
    assert "This line is too long" in problems_of(b"x" * parsing.MAX_BYTES, format="text")[1]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", '{"prompt": "a"}', {"prompt": '{"prompt": "a"}'}),
        ("a.csv", "prompt\na", {"prompt": "a"}),
        ("A.CSV", "prompt\na", {"prompt": "a"}),
        ("a.tsv", "prompt\tfps\na\t8", {"prompt": "a", "fps": "8"}),
        ("a.jsonl", '{"prompt": "a"}', {"prompt": "a"}),
        ("a.ndjson", '{"prompt": "a"}', {"prompt": "a"}),
        ("", '\n{"prompt": "a"}', {"prompt": "a"}),
        ("", "prompt;fps\na;8", {"prompt": "a", "fps": "8"}),
        ("", "fps,prompt\n8,a", {"prompt": "a", "fps": "8"}),
        ("", "prompt,preset\na,mine", {"prompt": "a", "preset": "mine"}),
        ("prompts", "a heart, red", {"prompt": "a heart, red"}),
        ("prompts.lst", "prompt, please", {"prompt": "prompt, please"}),
        ("", "a heart", {"prompt": "a heart"}),
    ],
)
def test_the_format_goes_by_the_ending_or_else_by_the_first_line(name, text, expected):
    assert rows_of(text, name=name)[0][2] == expected


def test_the_format_that_is_said_wins():
    assert rows_of("prompt\na", format="text", name="a.csv")[0][2] == {"prompt": "prompt"}


def test_the_same_rows_are_the_same_batch_however_they_are_written():
    plain = read_rows(b"a heart\na star\n", format="text")
    assert digest(plain) == digest(read_rows(b"# two\n\na heart\r\n  a star", format="text"))
    assert digest(plain) == digest(read_rows(b"prompt,fps\na heart,\na star,\n", format="csv"))
    assert digest(plain) == digest(read_rows(b'{"prompt": "a heart"}\n{"prompt": "a star"}', format="jsonl"))


def test_the_old_name_of_a_column_makes_the_same_batch():
    old, new = (read_rows(f"prompt,{name}\na heart,mine\n".encode(), format="csv") for name in ("preset", "quality"))
    assert digest(old) == digest(new) == sha256(b'[[{"preset": "mine", "prompt": "a heart"}, ""]]').hexdigest()


@pytest.mark.parametrize(
    "other", [b"a star\na heart\n", b"a heart\n", b"a heart\na star\na star\n", b"a heart\na Star\n"]
)
def test_other_rows_or_another_order_are_another_batch(other):
    assert digest(read_rows(b"a heart\na star\n", format="text")) != digest(read_rows(other, format="text"))


def test_rows_that_cannot_be_read_count_for_the_batch_too():
    good, bad = b'{"prompt": "a"}\n{"prompt": "b"}', b'{"prompt": "a"}\nnull'
    assert digest(read_rows(good, format="jsonl")) != digest(read_rows(bad, format="jsonl"))
    assert digest(read_rows(b'{"prompt": "\\ud800", "fps": 1e400}', format="jsonl"))


def test_what_is_printed_cannot_move_the_cursor():
    assert printable("a\x1b[2J\r\n\u202e\udc80é赤") == "a\\x1b[2J\\r\\n\\u202e\\udc80é赤"


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.sampled_from(["", *parsing.FORMATS]))
def test_any_bytes_are_rows_or_a_refusal(data, format):
    try:
        rows = read_rows(data, format=format)
    except BatchFileError as error:
        assert str(error).endswith(".")
    else:
        assert [row.number for row in rows] == list(range(1, len(rows) + 1))
        assert [row.line for row in rows] == sorted({row.line for row in rows})
        assert all(row.values or row.problem or format != "text" for row in rows)
        assert len(digest(rows)) == 64
        assert all(json.dumps(row.values) for row in rows)
