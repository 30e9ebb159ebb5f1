"""The form reader that other tests rely on reads forms as a browser does."""

from tests.html_forms import fields_of, texts_of

PAGE = """
<form class="search"><input name="q" value="not this one"></form>
<form class="create create--many" id="create-form">
  <input type="hidden" name="steps" value="7"><input name="empty"><input type="file" name="file"><input type="submit">
  <textarea name="prompt">
a &lt;red&gt; heart
over the sea</textarea>
  <input type="radio" name="aspect" value="1:1"><input type="radio" name="aspect" value="16:9" checked>
  <input type="checkbox" name="skip"><input type="checkbox" name="wait" checked>
  <select name="seconds"><option value="1">1 s</option><option value="2" selected>2 s</option></select>
  <select name="fps"><option value="8">8</option><option value="16">16</option></select>
  <button name="go">Go</button>
</form>
<form id="create-form"><input name="prompt" value="nor this one"></form>
"""


def test_a_form_is_read_as_a_browser_would_send_it():
    expected = {
        "steps": "7",
        "empty": "",
        "prompt": "a <red> heart\nover the sea",
        "aspect": "16:9",
        "wait": "on",
        "seconds": "2",
        "fps": "8",
    }
    assert fields_of(PAGE, "create-form") == fields_of(PAGE, "create--many") == expected


def test_a_page_without_the_form_has_no_values():
    assert fields_of(PAGE, "other") == {}


def test_the_text_of_an_element_is_found_by_id_or_class_and_without_what_is_not_wanted():
    page = '<p class="a b">one <b>two</b><br> <span class="c">three</span></p><div id="a"><img> four</div><p>five</p>'
    assert texts_of(page, "a", without=("c",)) == ["one two", "four"]
    assert texts_of(page, "c") == ["three"]
    assert texts_of(page, "none") == []
