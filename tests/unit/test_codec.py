import pytest

from ocr_ops.codec import canonical_json, digest_of, from_json, step_key, to_json
from ocr_ops.model import Problem, ProblemKind, Stage


def test_a_noun_survives_the_trip_through_json():
    problem = Problem(Stage.READ, ProblemKind.LOOP, "the reply repeats", page=2)

    assert from_json(Problem, to_json(problem)) == problem


def test_canonical_json_does_not_depend_on_the_order_of_keys():
    assert (
        canonical_json({"b": 1, "a": [2, "ü"]})
        == '{"a":[2,"ü"],"b":1}'.encode()
        == canonical_json({"a": [2, "ü"], "b": 1})
    )


def test_json_that_does_not_fit_says_where():
    with pytest.raises(ValueError, match=r"stage"):
        from_json(Problem, b'{"kind":"loop","detail":"x"}')


def test_not_a_number_is_refused():
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json(float("nan"))


def test_digest_names_its_algorithm():
    assert digest_of(b"").startswith("sha256:e3b0c442")


def test_step_keys_differ_when_any_input_does():
    assert len({step_key("read", page="a"), step_key("read", page="b"), step_key("open", page="a")}) == 3
