"""The names that entries of the catalogue may use are those of the diffusers that is installed."""

import inspect

import diffusers
import pytest
import torch

from generation.catalogue import diffusers_names
from generation.catalogue.pipelines import OTHERS, TAKEN
from workers.engines.families.opening import expected_parts, plain_class

# Arguments that are tensors, pictures or tables, which no entry can give.
OBJECTS = {
    "attention_kwargs", "conditions", "image", "video", "prompt_embeds_2", "negative_prompt_embeds_2",
    *(f"{sign}prompt_embeds_mask{number}" for sign in ("", "negative_") for number in ("", "_2")),
}  # fmt: skip


def test_every_pipeline_and_scheduler_is_described():
    assert set(diffusers_names.ARGUMENTS) == set(diffusers_names.NETWORKS) == set(OTHERS)
    usable = {*diffusers_names.ANIMATEDIFF_SCHEDULERS, *diffusers_names.OTHER_SCHEDULERS}
    assert set(diffusers_names.OPTIONS) == usable


@pytest.mark.parametrize("pipeline", OTHERS)
def test_arguments_of_the_call_are_those_that_diffusers_has(pipeline):
    found = inspect.signature(getattr(diffusers, pipeline).__call__).parameters
    assert set(diffusers_names.ARGUMENTS[pipeline]) == set(found) - {"self", *TAKEN, *OBJECTS}


@pytest.mark.parametrize("pipeline", OTHERS)
def test_networks_are_the_parts_that_have_weights(pipeline):
    parts = expected_parts(getattr(diffusers, pipeline))
    classes = {name: plain_class(annotation) for name, annotation in parts.items()}
    networks = {name for name, cls in classes.items() if isinstance(cls, type) and issubclass(cls, torch.nn.Module)}
    assert set(diffusers_names.NETWORKS[pipeline]) == networks


@pytest.mark.parametrize("name", diffusers_names.OPTIONS)
def test_options_of_a_scheduler_are_those_that_diffusers_has(name):
    found = inspect.signature(getattr(diffusers, name).__init__).parameters
    assert set(diffusers_names.OPTIONS[name]) == set(found) - {"self"}
